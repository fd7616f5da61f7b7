"""A consent: who may be told what, by whom, for what, until when, under which exact text, and who said so.

Rules first:

1. One consent names one citizen, one purpose, one holder unit, one recipient unit, one or more categories (R2, P7).
2. Its status moves only along `TRANSITIONS`; the words map one to one to the national exchange format (R10):
   oprettet, afventer signering, gaeldende, tilbagekaldt, udloebet, lukket, afvist.
3. A declaration belongs to one giver. What is declared twice by the same giver counts once.
4. Expiry is read from the clock, so an active consent past its end *is* expired whether or not a job has said so.
   What was asked for and not answered in time is expired too: silence is never a yes (R9).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.consent.model.acting import Method, Role
from services.consent.model.errors import AlreadyDeclaredError, IllegalTransitionError


class Status(StrEnum):
    """Where a consent is in its life."""

    REQUESTED = "requested"
    PENDING_SIGNATURE = "pending_signature"
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    CLOSED = "closed"
    DECLINED = "declined"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.REQUESTED: frozenset(
        {Status.PENDING_SIGNATURE, Status.ACTIVE, Status.DECLINED, Status.EXPIRED, Status.CLOSED}
    ),
    Status.PENDING_SIGNATURE: frozenset(
        {Status.ACTIVE, Status.WITHDRAWN, Status.DECLINED, Status.EXPIRED, Status.CLOSED}
    ),
    Status.ACTIVE: frozenset({Status.WITHDRAWN, Status.EXPIRED, Status.CLOSED}),
    Status.WITHDRAWN: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.CLOSED: frozenset(),
    Status.DECLINED: frozenset(),
}


class ClosedReason(StrEnum):
    """Why a consent ended without the citizen ending it, or what replaced it."""

    SUPERSEDED = "superseded"
    DEATH = "death"
    MOVED_OUT = "moved_out"
    CASE_CLOSED = "case_closed"
    AGE_CHANGED = "age_changed"
    CUSTODY_CHANGED = "custody_changed"
    AUTHORITY_CHANGED = "authority_changed"
    REQUEST_CANCELLED = "request_cancelled"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One person's yes: who, in what capacity, how, at which assurance level, when, under which text (R10).

    The fields up to `affirmed_special` are those of `acting.Giver`, and mean the same.

    `affirmed_special`: the special categories that were affirmed by their own act (R4).
    """

    declaration_id: UUID
    giver: UUID
    role: Role
    method: Method
    assurance: str
    at: datetime
    text_sha256: str
    affirmed_special: frozenset[str]
    authority_id: UUID | None = None
    attested_by: str | None = None
    attested_unit: str | None = None
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent at one revision. Times are aware; `categories` are catalogue codes.

    `request_id`: the request that it answers, or waits to answer; `answer_by`: until when that waits.
    """

    consent_id: UUID
    borger_id: UUID
    purpose: str
    purpose_version: int
    holder_unit: str
    recipient_unit: str
    categories: frozenset[str]
    legal_basis: str
    text_code: str
    text_version: int
    text_sha256: str
    language: str
    status: Status
    requested_at: datetime
    given_at: datetime | None
    valid_from: datetime | None
    valid_until: datetime
    ceiling_until: datetime
    revision: int = 1
    closed_reason: ClosedReason | None = None
    declarations: tuple[Declaration, ...] = ()
    request_id: UUID | None = None
    answer_by: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """The stored end: the earlier of what the citizen chose and what the legal basis allowed then."""
        return min(self.valid_until, self.ceiling_until)

    @property
    def is_open(self) -> bool:
        """Whether nothing has been written that ended it."""
        return bool(TRANSITIONS[self.status])

    def status_at(self, now: datetime) -> Status:
        """The status as it is read at `now`: an open consent past its end is expired, whatever the row says."""
        until = self.ends_at
        if self.answer_by is not None and self.status is not Status.ACTIVE:
            until = min(until, self.answer_by)
        return Status.EXPIRED if self.is_open and until <= now else self.status

    def declared_by(self, giver: UUID) -> Declaration | None:
        """The giver's declaration, when there is one."""
        return next((item for item in self.declarations if item.giver == giver), None)

    def same_content(self, other: "Consent") -> bool:
        """Whether a second giver's declaration is about the very same thing: content, text and language apart."""
        return (
            self.borger_id == other.borger_id
            and self.purpose == other.purpose
            and self.holder_unit == other.holder_unit
            and self.recipient_unit == other.recipient_unit
            and self.categories == other.categories
            and (self.text_code, self.text_version) == (other.text_code, other.text_version)
        )


def _move(consent: Consent, status: Status) -> Consent:
    if status not in TRANSITIONS[consent.status]:
        raise IllegalTransitionError(f"a consent that is {consent.status} cannot become {status}")
    return replace(consent, status=status, revision=consent.revision + 1)


def declare(
    consent: Consent, declaration: Declaration, *, required: frozenset[UUID], until: datetime, now: datetime
) -> Consent:
    """Add one giver's declaration; active when all `required` givers have declared, else pending their signature.

    `until`: the end that this giver agreed to; the consent ends at the earliest that anyone agreed to.

    Raises AlreadyDeclaredError for a second declaration by the same giver, IllegalTransitionError when it is closed.
    """
    if consent.status_at(now) not in {Status.REQUESTED, Status.PENDING_SIGNATURE}:
        raise IllegalTransitionError(f"a consent that is {consent.status_at(now)} takes no declaration")
    if consent.declared_by(declaration.giver) is not None:
        raise AlreadyDeclaredError("this person has already declared")
    declared = replace(
        consent,
        declarations=(*consent.declarations, declaration),
        valid_until=min(consent.valid_until, until),
    )
    if required and required <= {item.giver for item in declared.declarations}:
        return replace(_move(declared, Status.ACTIVE), given_at=now, valid_from=now)
    if declared.status is Status.PENDING_SIGNATURE:
        return replace(declared, revision=declared.revision + 1)
    return _move(declared, Status.PENDING_SIGNATURE)


def withdraw(consent: Consent) -> Consent:
    """End it by the citizen's word. No reason is asked (R7). Raises IllegalTransitionError when it has ended."""
    return _move(consent, Status.WITHDRAWN)


def expire(consent: Consent) -> Consent:
    """Write down that its time has passed. Raises IllegalTransitionError when it had ended otherwise."""
    return _move(consent, Status.EXPIRED)


def close(consent: Consent, reason: ClosedReason) -> Consent:
    """End it because of a fact or a successor. Raises IllegalTransitionError when it has ended."""
    return replace(_move(consent, Status.CLOSED), closed_reason=reason)


def decline(consent: Consent) -> Consent:
    """A no to what was asked (R5). Raises IllegalTransitionError when it was answered already."""
    return _move(consent, Status.DECLINED)
