"""What can become of a notification: the one table, and nothing else, may change its state.

`cancelled` is final and reachable from every state: a handled item is taken away too when its permit is refused, since
the inbox would otherwise go on confirming what the citizen has withdrawn (P1, P2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from services.advis.model.errors import TransitionError


class State(StrEnum):
    """Where a notification stands."""

    UNREAD = "unread"
    READ = "read"
    HANDLED = "handled"
    CANCELLED = "cancelled"


class Act(StrEnum):
    """What is done to it: a caseworker opens and handles; a refused permit cancels."""

    OPEN = "open"
    HANDLE = "handle"
    CANCEL = "cancel"


TRANSITIONS: Mapping[tuple[State, Act], State] = MappingProxyType(
    {
        (State.UNREAD, Act.OPEN): State.READ,
        (State.UNREAD, Act.HANDLE): State.HANDLED,
        (State.UNREAD, Act.CANCEL): State.CANCELLED,
        (State.READ, Act.OPEN): State.READ,
        (State.READ, Act.HANDLE): State.HANDLED,
        (State.READ, Act.CANCEL): State.CANCELLED,
        (State.HANDLED, Act.OPEN): State.HANDLED,
        (State.HANDLED, Act.HANDLE): State.HANDLED,
        (State.HANDLED, Act.CANCEL): State.CANCELLED,
        (State.CANCELLED, Act.CANCEL): State.CANCELLED,
    }
)

OPEN_ITEMS = frozenset({State.UNREAD, State.READ})  # what an inbox lists when nothing else is asked for


def after(state: State, act: Act) -> State:
    """The state that follows. Raises TransitionError where the table has no such pair."""
    try:
        return TRANSITIONS[state, act]
    except KeyError:
        raise TransitionError(f"{act} is not possible in {state}") from None


@dataclass(frozen=True, slots=True)
class Revealed:
    """What is told about whom, and the epoch of that scope when the event arrived."""

    borger_id: UUID
    category: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Notification:
    """One advis as it lies in the database. It names no person but by pseudonym, and no reason for anything."""

    notification_id: UUID
    event_id: str
    event_type: str
    category: str | None
    occurred_at: datetime
    arrived_at: datetime
    holder_unit: str
    recipient_unit: str
    purpose: str
    subject: UUID
    case_reference: str
    reveals: tuple[Revealed, ...]
    state: State
    correlation_id: str | None
    corrects: UUID | None = None  # the notification whose place this one took
    annulled: bool = False  # what that one said did not happen

    @property
    def persons(self) -> tuple[UUID, ...]:
        """Everybody that it reveals something about, each once, in a fixed order."""
        return tuple(sorted({revealed.borger_id for revealed in self.reveals}))

    def is_within(self, categories: frozenset[str] | None) -> bool:
        """Whether it tells of nothing but these categories; None: of whatever it is (as `Reader.categories`)."""
        told = {revealed.category for revealed in self.reveals} | ({self.category} if self.category else set())
        return categories is None or told <= categories


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose inbox: a caseworker's own cases in the unit they act in (R15, R37); None: a unit's system, all of them.

    `categories`: those that their level of sensitivity lets them be told of; None: every one.
    """

    unit: str
    caseworker: str | None
    categories: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of an inbox, newest first: that of an item which was shown, so it tells nothing new."""

    arrived_at: datetime
    notification_id: UUID
