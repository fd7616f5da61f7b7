"""Who acts for a citizen, in which capacity, and how that is known (R10, R11).

Every act, a yes, a no, a withdrawal or a refusal, is one person's word. The words here are those of the national
exchange format: the subject or a representative with its authority; system evidence, or an employee attesting what was
said. `faglig_vurdering` and `non-verbal_tilkendegivelse` are left out on purpose: neither is unambiguous.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """In which capacity a person acts: the subject, or a representative with its authority."""

    SELF = "self"
    CUSTODY_HOLDER = "custody_holder"
    GUARDIAN = "guardian"
    ATTORNEY = "attorney"


class Method(StrEnum):
    """How the word was given: a click in an authenticated system, or a conversation that an employee attests."""

    SYSTEM_EVIDENCE = "system_evidence"
    TELEPHONE = "telephone_conversation"
    IN_PERSON = "personal_conversation"


@dataclass(frozen=True, slots=True)
class Giver:
    """Whose word it is, and how it is known.

    `assurance`: the NSIS level of the login, of the employee's where the word is attested. `authority_id`: the recorded
    authority of a guardian or an attorney. `attested_by`, `attested_unit`: the employee who heard it, and their unit;
    `confirmed_by`: a second employee, where four eyes are asked for.
    """

    borger_id: UUID
    assurance: str
    role: Role
    method: Method = Method.SYSTEM_EVIDENCE
    authority_id: UUID | None = None
    attested_by: str | None = None
    attested_unit: str | None = None
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """The municipality acts, not the citizen: an employee of `unit`, whom a receipt never names (R25), or no one.

    `unit` None: the service itself, because the clock or a fact ended something. `assurance`: of the employee's login.
    """

    unit: str | None = None
    assurance: str | None = None


SERVICE = Office()
