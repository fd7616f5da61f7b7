"""Which notifications are due: openings × subscriptions × open cases, pure and exhaustive.

An opening says that a unit *may* be told; a subscription that it *wants* to be; an open case that it has the citizen at
all (R14, R15). The three together make exactly one notification per (recipient unit, purpose, subject); the event gives
the fourth part of the key (docs/fence.md). What the notification reveals, and at which epochs, is the opening's word.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from services.advis.cases.cases import Case
from services.advis.notifications.notification import Revealed
from services.advis.reference.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Opening:
    """This unit may be told this for this purpose, in the case that it has about `subject`."""

    recipient_unit: str
    purpose: str
    subject: UUID
    reveals: tuple[Revealed, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """A notification that must come to be, in exactly this case of the recipient's."""

    recipient_unit: str
    purpose: str
    subject: UUID
    case_reference: str
    reveals: tuple[Revealed, ...]


def due(
    event_type: str,
    openings: Iterable[Opening],
    subscriptions: Collection[Subscription],
    cases: Iterable[Case],
) -> tuple[Due, ...]:
    """Every notification that the event must become, in the order of the openings, each key once.

    Where a unit has several open cases about the same citizen, the one opened last is the one that is worked on now.
    """
    current = _current_cases(cases)
    found: dict[tuple[str, str, UUID], Due] = {}
    for opening in openings:
        key = (opening.recipient_unit, opening.purpose, opening.subject)
        wanted = Subscription(opening.recipient_unit, event_type, opening.purpose) in subscriptions
        case = current.get((opening.recipient_unit, opening.subject))
        if wanted and case is not None and key not in found:
            found[key] = Due(*key, case_reference=case.case_reference, reveals=opening.reveals)
    return tuple(found.values())


def _current_cases(cases: Iterable[Case]) -> dict[tuple[str, UUID], Case]:
    in_order = sorted(cases, key=lambda case: (case.opened_at, case.case_reference))
    return {(case.unit, case.borger_id): case for case in in_order if case.is_open}
