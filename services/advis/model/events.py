"""Facts, in the past tense.

Every fact becomes one audit entry; where it concerns two persons it is told twice, once about each.
"""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EventIngested:
    """A source system handed us a case event over HTTP."""

    subject: UUID
    event_id: str
    event_type: str
    unit: str


@dataclass(frozen=True, slots=True)
class EventRefused:
    """A source system said what is not its own to say; nothing of it went on. `reason` is a code."""

    subject: UUID | None
    reason: str
    unit: None = None


@dataclass(frozen=True, slots=True)
class EventReceived:
    """A case event was taken from the bus, whether or not anybody may hear of it."""

    subject: UUID
    event_id: str
    event_type: str
    unit: str


@dataclass(frozen=True, slots=True)
class NotificationCreated:
    """A recipient's inbox holds a new candidate that reveals something about `subject`."""

    subject: UUID
    notification_id: UUID
    event_id: str
    event_type: str
    unit: str
    purpose: str


@dataclass(frozen=True, slots=True)
class NotificationCancelled:
    """A notification was taken away because it would no longer be permitted. Which reason, only consent knows."""

    subject: UUID
    notification_id: UUID
    unit: str
    purpose: str


@dataclass(frozen=True, slots=True)
class NotificationHandled:
    """The recipient said that the matter is dealt with."""

    subject: UUID
    notification_id: UUID
    unit: str
    purpose: str


@dataclass(frozen=True, slots=True)
class DisclosureEnded:
    """A permit was used or given back: `reach` is disclosed, not_sent or unknown."""

    subject: UUID
    permit_id: UUID
    notification_id: UUID
    unit: str
    purpose: str
    reach: str


@dataclass(frozen=True, slots=True)
class InboxRead:
    """Somebody asked for their inbox, or for one item of it; the search terms are codes, never persons (R20).

    `kind` is listed, opened or handled; `found` is False where the answer was 403 or 404. `unit` as the token says.
    """

    kind: str
    unit: str | None
    criterion: tuple[tuple[str, str], ...]
    found: bool


Fact = (
    EventIngested
    | EventRefused
    | EventReceived
    | NotificationCreated
    | NotificationCancelled
    | NotificationHandled
    | DisclosureEnded
    | InboxRead
)
