"""What an employee attests that a citizen has said, by telephone or in person (R10, U4).

Rules first:

1. Only speech counts: `faglig_vurdering` and `non-verbal_tilkendegivelse` cannot be said here, for neither is
   unambiguous.
2. A no is taken at one employee's word and at once: it must never be harder than a yes (R7).
3. A yes to a special category takes effect only when a second employee confirms it in time, and so does the lifting of
   a refusal, which lets consents count again that the employee may not know of. Until then it is nothing (R4).
4. It is read from the clock whether a proposal has lapsed; a later no of the citizen's own is never overtaken by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.consent.model.acting import Method
from services.consent.model.errors import IllegalTransitionError, NotSpecificError, SecondEmployeeError


class AttestedAct(StrEnum):
    """What the citizen has said."""

    GRANT = "grant"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    REFUSE = "refuse"
    LIFT = "lift"


class AttestedStatus(StrEnum):
    """`registered`: in effect at one employee's word; `proposed`: waits for a second one's."""

    REGISTERED = "registered"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    LAPSED = "lapsed"


TRANSITIONS: dict[AttestedStatus, frozenset[AttestedStatus]] = {
    AttestedStatus.REGISTERED: frozenset(),
    AttestedStatus.PROPOSED: frozenset({AttestedStatus.CONFIRMED, AttestedStatus.REJECTED, AttestedStatus.LAPSED}),
    AttestedStatus.CONFIRMED: frozenset(),
    AttestedStatus.REJECTED: frozenset(),
    AttestedStatus.LAPSED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Attestation:
    """One employee's word for what `giver` has said about `borger_id`, who may be the same.

    `content`: codes, ids and the hash of the text read aloud. `object_id`: the consent or refusal that came of it.
    """

    attestation_id: UUID
    borger_id: UUID
    giver: UUID
    act: AttestedAct
    content: Mapping[str, Any]
    method: Method
    conversed_at: datetime
    attested_by: str
    attested_unit: str
    attested_role: str
    assurance: str
    registered_at: datetime
    lapses_at: datetime | None
    status: AttestedStatus
    decided_by: str | None = None
    decided_at: datetime | None = None
    object_id: UUID | None = None
    revision: int = 1

    def status_at(self, now: datetime) -> AttestedStatus:
        """The status as it is read at `now`: a proposal nobody has confirmed in time has lapsed."""
        late = self.status is AttestedStatus.PROPOSED and self.lapses_at is not None and self.lapses_at <= now
        return AttestedStatus.LAPSED if late else self.status


def needs_a_second(act: AttestedAct, *, special: bool) -> bool:
    """Whether one employee's word is not enough."""
    return act is AttestedAct.LIFT or (act is AttestedAct.GRANT and special)


def check_conversation(method: Method, conversed_at: datetime, *, now: datetime, within: timedelta) -> None:
    """Raises NotSpecificError unless it was a conversation, not long ago and not ahead."""
    if method is Method.SYSTEM_EVIDENCE:
        raise NotSpecificError("must be a conversation", field="method", known=(Method.TELEPHONE, Method.IN_PERSON))
    if not now - within <= conversed_at <= now:
        raise NotSpecificError(f"must lie in the past, at most {within.days} days", field="conversed_at")


def decide(
    attestation: Attestation, status: AttestedStatus, employee: str, now: datetime, *, object_id: UUID | None = None
) -> Attestation:
    """Confirm or reject it as a second employee. Raises SecondEmployeeError, IllegalTransitionError."""
    if employee == attestation.attested_by:
        raise SecondEmployeeError("another employee than the one who attested it must decide")
    if attestation.status_at(now) is AttestedStatus.LAPSED:
        raise IllegalTransitionError("a proposal that has lapsed takes no decision")
    moved = _move(attestation, status)
    return replace(moved, decided_by=employee, decided_at=now, object_id=object_id)


def lapse(attestation: Attestation, now: datetime) -> Attestation:
    """Write down that nobody has confirmed it in time. Raises IllegalTransitionError."""
    return replace(_move(attestation, AttestedStatus.LAPSED), decided_at=now)


def _move(attestation: Attestation, status: AttestedStatus) -> Attestation:
    if status not in TRANSITIONS[attestation.status]:
        raise IllegalTransitionError(f"an attestation that is {attestation.status} cannot become {status}")
    return replace(attestation, status=status, revision=attestation.revision + 1)
