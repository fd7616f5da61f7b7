"""What life does to consents (R13): death, moving out, custody, birthdays, cases opened and closed.

1. The fact is written first; the decision reads it from then on (P6). Closing consents on it is for the citizen to see.
2. All the person's scopes that it may change are locked and bumped in one change, so open permits of older epochs drain
   like any other, and whoever asks again gets the new answer.
3. What ends has a receipt, issued by the service itself (P5): nobody's word ended it.
4. A fact about somebody unknown here is nothing to us: they have no consents.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import (
    handlers_endings,
    records,
    scopes,
    store_catalogue,
    store_citizens,
    store_consents,
    store_scopes,
)
from services.consent.domain.calendar import danish_date
from services.consent.domain.consent import ClosedReason, Consent, Status, close, expire
from services.consent.domain.decision import is_special
from services.consent.domain.events import ConsentClosed, ConsentExpired, CustodyChanged, Event
from services.consent.domain.family import required_givers
from services.consent.domain.merging import counting_as
from services.consent.domain.snapshot import Person, Snapshot
from services.consent.receipts import Signer
from services.consent.records import Actor
from services.consent.store_snapshot import load_snapshot

_CASES = ("sag.aabnet", "sag.lukket")
_CUSTODY = "cpr.foraeldremyndighed_aendret"


@dataclass(frozen=True, slots=True)
class Fact:
    """One life-cycle event. `at`: when it happened, by the source's clock."""

    type: str
    borger_id: UUID
    at: datetime
    unit: str
    case_reference: str | None
    custody_holders: tuple[UUID, ...] | None
    correlation_id: str | None = None

    @property
    def missing(self) -> str | None:
        """The field without which this type of event means nothing; None when it is there."""
        if self.type == _CUSTODY and self.custody_holders is None:
            return "custody_holders"
        return "case_reference" if self.type.endswith(_CASES) and self.case_reference is None else None


@dataclass
class _Change:
    """What is to happen under the locks, and what came of it."""

    fact: Fact
    events: list[Event] = field(default_factory=list)

    async def close_where(
        self, session: WriteSession, ends: Callable[[Consent], bool], reason: ClosedReason, now: datetime
    ) -> None:
        """Close the open consents for which `ends` holds; one past its time is written down as expired instead."""
        for old in await store_consents.open_of(session, self.fact.borger_id):
            if not ends(old):
                continue
            expired = old.status_at(now) is Status.EXPIRED
            new = expire(old) if expired else close(old, reason)
            await store_consents.replace(session, old, new, at=now, actor_kind="service")
            self.events.append(ConsentExpired(new) if expired else ConsentClosed(new))


Act = Callable[[WriteSession, _Change, datetime], Awaitable[None]]


async def _change(
    session: WriteSession, signer: Signer, fact: Fact, act: Act, *, recipient_unit: str | None = None
) -> None:
    """Lock and bump the person's scopes (only those of one recipient, when given), act, prove it, and tell."""
    if await store_citizens.born(session, fact.borger_id) is None:
        return
    keys = await store_scopes.keys_of(session, [fact.borger_id])
    if recipient_unit is not None:
        units = await _counting_as(session, recipient_unit, await clock(session))
        keys = [key for key in keys if key.recipient_unit in units]
    change = _Change(fact)
    changed = await scopes.change(session, keys, lambda now: act(session, change, now))
    await handlers_endings.prove(session, signer, change.events, changed)
    actor = Actor("consent", "service", correlation_id=fact.correlation_id)
    await append(session, records.of_events(change.events, actor, at=changed.at, epochs=changed.epochs))


async def _counting_as(session: WriteSession, unit: str, now: datetime) -> set[str]:
    """The unit, and those whose consents count for it by a recorded decision (R36)."""
    return counting_as(unit, await store_catalogue.current(session), now)


async def record_death(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Nobody is told anything about the dead on a consent of theirs: everything closes."""

    async def act(session: WriteSession, change: _Change, now: datetime) -> None:
        await store_citizens.set_died(session, fact.borger_id, danish_date(fact.at))
        await change.close_where(session, lambda _: True, ClosedReason.DEATH, now)

    await _change(session, signer, fact, act)


async def record_move_out(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Another municipality is another authority: everything closes."""

    async def act(session: WriteSession, change: _Change, now: datetime) -> None:
        await store_citizens.set_moved_out(session, fact.borger_id, danish_date(fact.at))
        await change.close_where(session, lambda _: True, ClosedReason.MOVED_OUT, now)

    await _change(session, signer, fact, act)


async def record_custody(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Exactly these hold custody from now on. What lacks a declaration of today's closes; it may be given anew."""

    async def act(session: WriteSession, change: _Change, now: datetime) -> None:
        await store_citizens.set_custody(session, fact.borger_id, fact.custody_holders or (), min(fact.at, now))
        change.events.append(CustodyChanged(fact.borger_id, now))
        await _close_undeclared(session, change, ClosedReason.CUSTODY_CHANGED, now)

    await _change(session, signer, fact, act)


async def record_birthday(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """At 15 the young person is asked, at 18 a parent's declaration has lapsed (U14): what lacks theirs closes."""

    async def act(session: WriteSession, change: _Change, now: datetime) -> None:
        await _close_undeclared(session, change, ClosedReason.AGE_CHANGED, now)

    await _change(session, signer, fact, act)


async def _close_undeclared(session: WriteSession, change: _Change, reason: ClosedReason, now: datetime) -> None:
    """Close what is in force without a declaration that is required today, and what waits under yesterday's rule."""
    snapshot = await load_snapshot(session, [change.fact.borger_id])
    person = snapshot.persons[change.fact.borger_id]
    await change.close_where(session, lambda item: not _is_declared(item, person, snapshot, now), reason, now)


def _is_declared(consent: Consent, person: Person, snapshot: Snapshot, now: datetime) -> bool:
    policy = snapshot.catalogue.policy(now)
    if policy is None or consent.status is not Status.ACTIVE:
        return False
    special = is_special(consent.categories, snapshot.catalogue, now)
    required = required_givers(
        person.borger_id, person.birth_date, person.custody, special=special, policy=policy, now=now
    )
    return bool(required) and required <= {item.giver for item in consent.declarations}


async def record_case_opened(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """The unit has a case. It revives nothing: what closed with an earlier case stays closed."""

    async def act(session: WriteSession, _change: _Change, _now: datetime) -> None:
        await store_citizens.open_case(session, fact.borger_id, fact.unit, fact.case_reference or "", at=fact.at)

    await _change(session, signer, fact, act, recipient_unit=fact.unit)


async def record_case_closed(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """With the recipient's last case its need ends, and with that every consent to tell it (R9)."""

    async def act(session: WriteSession, change: _Change, now: datetime) -> None:
        await store_citizens.close_case(session, fact.borger_id, fact.unit, fact.case_reference or "", at=fact.at)
        if not await store_citizens.has_open_case(session, fact.borger_id, fact.unit):
            units = await _counting_as(session, fact.unit, now)
            await change.close_where(session, lambda item: item.recipient_unit in units, ClosedReason.CASE_CLOSED, now)

    await _change(session, signer, fact, act, recipient_unit=fact.unit)


async def ignore(_session: WriteSession, _signer: Signer, _fact: Fact) -> None:
    """At 10 a child is involved (`domain.md` 1.6): nothing here changes by it."""


HANDLERS: dict[str, Callable[[WriteSession, Signer, Fact], Awaitable[None]]] = {
    "cpr.doedsfald": record_death,
    "cpr.flytning_ud": record_move_out,
    _CUSTODY: record_custody,
    "cpr.fylder_10": ignore,
    "cpr.fylder_15": record_birthday,
    "cpr.fylder_18": record_birthday,
    **{f"{administration}.sag.aabnet": record_case_opened for administration in ("bif", "sof")},
    **{f"{administration}.sag.lukket": record_case_closed for administration in ("bif", "sof")},
}
"""Event type → the one handler for it."""
