"""A request for consents: what a unit asks a citizen, and what it may know of the answer (U8, R5, R9).

Rules first:

1. A request is one purpose with one or more questions (items); each is a consent row that waits as `requested`.
2. Whoever asks sees a state and nothing else: never which categories, never why, never what became of a yes later.
   So an item's reply is read from what it was answered, not from what the consent is today.
3. It may remind once, not too soon, and take the request back. After a no it may not ask again for a while.
4. Silence is never a yes: what is not answered in time has lapsed. Whatever else ended it reads the same.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.consent.catalogue.entries import Catalogue
from services.consent.consents.consent import Consent, Status
from services.consent.consents.renewal import _WAITING
from services.consent.decision.snapshot import Person
from services.consent.model.calendar import danish_date
from services.consent.model.errors import AlreadyRemindedError, NotOpenError, TooSoonError


class State(StrEnum):
    """What the one who asked may know."""

    REQUESTED = "requested"
    ANSWERED = "answered"
    LAPSED = "lapsed"
    WITHDRAWN_BY_REQUESTER = "withdrawn_by_requester"


class Reply(StrEnum):
    """What was answered."""

    GIVEN = "given"
    GIVEN_IN_PART = "given_in_part"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a request. `categories`: as asked; `consent`: the row that waits for the answer, or has it."""

    item_id: UUID
    holder_unit: str
    recipient_unit: str
    categories: frozenset[str]
    consent: Consent

    def is_open(self, now: datetime) -> bool:
        """Whether it still waits for somebody's word."""
        return self.consent.status_at(now) in _WAITING

    def is_lapsed(self, now: datetime) -> bool:
        """Whether its time passed while it waited, whether or not the row says so."""
        return self.consent.given_at is None and self.consent.status_at(now) is Status.EXPIRED

    @property
    def reply(self) -> Reply | None:
        """What it was answered, whatever became of that later; None when it was not."""
        if self.consent.given_at is not None:
            given = self.categories & self.consent.categories
            part = Reply.GIVEN_IN_PART if given else None
            return Reply.GIVEN if given == self.categories else part
        return Reply.DECLINED if self.consent.status in {Status.DECLINED, Status.WITHDRAWN} else None


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `unit`, `function`: who asks, and in which capacity; `requested_by` is never shown to the citizen.

    `text_*` and `language`: what was in force when it was asked; an answer is given to what is in force then.
    """

    request_id: UUID
    borger_id: UUID
    unit: str
    function: str
    requested_by: str
    case_reference: str | None
    purpose: str
    text_code: str
    text_version: int
    text_sha256: str
    language: str
    requested_at: datetime
    answer_by: datetime
    items: tuple[Item, ...]
    reminded_at: datetime | None = None
    cancelled_at: datetime | None = None
    revision: int = 1

    def open_items(self, now: datetime) -> tuple[Item, ...]:
        """Those that wait for an answer."""
        return tuple(item for item in self.items if item.is_open(now))

    def state_at(self, now: datetime) -> tuple[State, Reply | None]:
        """What may be known of it; the reply only when it is answered."""
        if self.cancelled_at is not None:
            return State.WITHDRAWN_BY_REQUESTER, None
        if self.open_items(now):
            return State.REQUESTED, None
        replies = {item.reply for item in self.items}
        if replies in ({Reply.GIVEN}, {Reply.DECLINED}):
            return State.ANSWERED, next(iter(replies))
        if replies & {Reply.GIVEN, Reply.GIVEN_IN_PART}:
            return State.ANSWERED, Reply.GIVEN_IN_PART
        return State.LAPSED, None


def may_ask(person: Person, unit: str, now: datetime) -> bool:
    """Need-to-know (R15): the unit has an open case about the person, who lives, and lives here."""
    if person.died_on is not None or person.is_away(danish_date(now)):
        return False
    return any(case.unit == unit and (case.closed_at is None or now < case.closed_at) for case in person.cases)


def remind(request: Request, *, after: timedelta, now: datetime) -> Request:
    """Remind the citizen, once, `after` at least since it was asked.

    Raises NotOpenError, AlreadyRemindedError, TooSoonError.
    """
    _check_open(request, now)
    if request.reminded_at is not None:
        raise AlreadyRemindedError("one reminder is the most")
    if now < request.requested_at + after:
        raise TooSoonError("it is too soon to remind", not_before=request.requested_at + after)
    return replace(request, reminded_at=now, revision=request.revision + 1)


def cancel(request: Request, now: datetime) -> Request:
    """Take it back. Its open items are closed with it. Raises NotOpenError."""
    _check_open(request, now)
    return replace(request, cancelled_at=now, revision=request.revision + 1)


def _check_open(request: Request, now: datetime) -> None:
    if request.state_at(now)[0] is not State.REQUESTED:
        raise NotOpenError("the request waits for nothing any more")


def check_cool_down(declined_at: datetime | None, days: int, now: datetime) -> None:
    """After a no to the same question nobody asks again for `days` (R5). Raises TooSoonError."""
    if declined_at is not None and now < declined_at + timedelta(days=days):
        raise TooSoonError("the citizen has said no", not_before=declined_at + timedelta(days=days))


def check_not_refused(person: Person, asked: Consent, catalogue: Catalogue, now: datetime) -> None:
    """Nobody asks against a refusal that stands (R50). Raises TooSoonError: nobody knows for how long it does."""
    for refusal in person.refusals:
        unit = refusal.recipient_unit
        to_it = unit is None or catalogue.stands_for(unit, asked.recipient_unit, now)
        if to_it and refusal.purpose in {None, asked.purpose} and refusal.stands_at(now):
            raise TooSoonError("the citizen has refused", not_before=None)
