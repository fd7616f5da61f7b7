"""What life does to consents (R13): death, moving out, custody, birthdays, cases opened and closed.

1. The fact is written first; the decision reads it from then on (P6). Closing consents on it is for the citizen to see.
2. All the person's scopes that it may change are locked and bumped in one change, so open permits of older epochs drain
   like any other, and whoever asks again gets the new answer.
3. What ends has a receipt, issued by the service itself (P5): nobody's word ended it.
4. A fact may come late, twice, out of order or before its day: what is kept is when it holds, and the clock decides.
5. A fact about somebody unknown here is nothing to us: they have no consents.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import (
    authority_proofs,
    authority_records,
    handlers_ages,
    handlers_endings,
    records,
    scopes,
    store_authorities,
    store_catalogue,
    store_citizens,
    store_life_facts,
    store_scopes,
)
from services.consent.closing import close_lapsed
from services.consent.domain.authority import Authority, AuthorityStatus, end
from services.consent.domain.calendar import danish_date
from services.consent.domain.events import CustodyChanged, Event
from services.consent.domain.merging import counting_as
from services.consent.domain.receipt import SERVICE as SERVICE_OFFICE
from services.consent.receipts import Signer
from services.consent.records import Actor
from services.consent.store_life_facts import LifeFact

_CUSTODY = "cpr.foraeldremyndighed_aendret"
MOVED_OUT, MOVED_IN = "cpr.flytning_ud", "cpr.flytning_ind"


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


@dataclass
class _Change:
    """What came of it, under the locks."""

    events: list[Event] = field(default_factory=list)
    ended: list[Authority] = field(default_factory=list)


Act = Callable[[_Change, datetime], Awaitable[None]]


async def _change(
    session: WriteSession,
    signer: Signer,
    fact: Fact,
    act: Act,
    *,
    recipient_unit: str | None = None,
    represented: Collection[UUID] = (),
) -> None:
    """Lock and bump the person's scopes (only those of one recipient, when given), act, prove it, and tell.

    After `act`, whatever may not go on is closed: `act` only writes the fact. `represented`: others it is also about.
    """
    if await store_citizens.born(session, fact.borger_id) is None:
        return
    keys = await store_scopes.keys_of(session, [fact.borger_id, *represented])
    units = None if recipient_unit is None else await _counting_as(session, recipient_unit, await clock(session))
    concerned = [key for key in keys if units is None or key.recipient_unit in units]
    change = _Change()

    async def work(now: datetime) -> None:
        await act(change, now)
        for person in (fact.borger_id, *represented):
            change.events += await close_lapsed(session, person, now, recipient_units=units)

    changed = await scopes.change(session, concerned, work)
    await handlers_endings.prove(session, signer, change.events, changed)
    for authority in change.ended:
        await authority_proofs.prove_end(session, signer, authority, SERVICE_OFFICE, at=changed.at)
    actor = Actor("consent", "service", correlation_id=fact.correlation_id)
    told = records.of_events(change.events, actor, at=changed.at, epochs=changed.epochs)
    await append(session, [*told, *authority_records.of_ends(change.ended, actor, changed.at)])


async def change_of_life(
    session: WriteSession, signer: Signer, fact: Fact, redraw: Callable[[datetime], Awaitable[None]]
) -> None:
    """Draw a person's state anew under all their scopes' locks; what may not go on by it is closed as by any fact."""

    async def act(_: _Change, now: datetime) -> None:
        await redraw(now)

    await _change(session, signer, fact, act)


async def _counting_as(session: WriteSession, unit: str, now: datetime) -> set[str]:
    """The unit, and those whose consents count for it by a recorded decision (R36)."""
    return counting_as(unit, await store_catalogue.current(session), now)


async def record_death(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Nobody is told anything about the dead on a consent of theirs: everything closes. They represent nobody either.

    Whatever the day: a death is told of afterwards, and nothing that it ended comes back by another date.
    """
    held = await store_authorities.held_by(session, fact.borger_id)

    async def act(change: _Change, now: datetime) -> None:
        await store_citizens.set_died(session, fact.borger_id, danish_date(fact.at))
        for authority in held:
            current = await store_authorities.lock(session, authority.authority_id)
            if current is not None and current.status is AuthorityStatus.ACTIVE:
                change.ended.append(end(current, now))
                await store_authorities.replace(session, current, change.ended[-1])

    await _change(session, signer, fact, act, represented={item.borger_id for item in held})


async def record_move(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Another municipality is another authority: from the day of the move all closes; a return revives nothing.

    Drawn from every move that was reported, in the order in which they happened: one of them may come late.
    """

    async def act(_: _Change, _now: datetime) -> None:
        await draw_moves(session, fact)

    await _change(session, signer, fact, act)


async def draw_moves(session: WriteSession, of: Fact | LifeFact) -> None:
    """When the person that `of` is about left and came back, by the reported moves that stand."""
    await store_life_facts.forget_moves(session, of.borger_id)
    for fact in await store_life_facts.standing(session, of.borger_id, [MOVED_OUT, MOVED_IN]):
        move = store_citizens.set_moved_out if fact.type == MOVED_OUT else store_citizens.set_moved_in
        await move(session, fact.borger_id, danish_date(fact.at))


async def record_custody(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Exactly these hold custody from then on. What lacks a declaration of today's closes; it may be given anew."""

    async def act(change: _Change, now: datetime) -> None:
        await store_citizens.set_custody(session, fact.borger_id, fact.custody_holders or (), fact.at)
        change.events.append(CustodyChanged(fact.borger_id, now))

    await _change(session, signer, fact, act)


async def record_birthday(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """At 15 the young person is asked, at 18 a parent's declaration has lapsed (U14): what lacks theirs closes.

    The clock and the birth date decide whether it is the day, not the message; without one, the sweep does the same.
    """

    async def act(_: _Change, now: datetime) -> None:
        await handlers_ages.tell_of_age(session, fact.borger_id, now)

    await _change(session, signer, fact, act)


async def record_case(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """With the recipient's last case its need ends, and with that every consent to tell it (R9).

    A new case revives nothing: what closed with an earlier one stays closed. Drawn from every step that was reported.
    """

    async def act(_: _Change, _now: datetime) -> None:
        await draw_case(session, fact)

    await _change(session, signer, fact, act, recipient_unit=fact.unit)


async def draw_case(session: WriteSession, of: Fact | LifeFact) -> None:
    """When the case that `of` is about was opened and closed, by the reported steps that stand."""
    unit, reference = of.unit or "", of.case_reference or ""
    await store_life_facts.forget_case(session, of.borger_id, unit, reference)
    administration = of.type.partition(".")[0]
    opened, closed = f"{administration}.sag.aabnet", f"{administration}.sag.lukket"
    for fact in await store_life_facts.standing(session, of.borger_id, [opened, closed]):
        if (fact.unit, fact.case_reference) == (unit, reference):
            step = store_citizens.open_case if fact.type == opened else store_citizens.close_case
            await step(session, fact.borger_id, unit, reference, at=fact.at)


HANDLERS: dict[str, Callable[[WriteSession, Signer, Fact], Awaitable[None]]] = {
    "cpr.doedsfald": record_death,
    MOVED_OUT: record_move,
    MOVED_IN: record_move,
    _CUSTODY: record_custody,
    "cpr.fylder_10": record_birthday,
    "cpr.fylder_15": record_birthday,
    "cpr.fylder_18": record_birthday,
    **{
        f"{administration}.sag.{step}": record_case
        for administration in ("bif", "sof")
        for step in ("aabnet", "lukket")
    },
}
"""Event type → the one handler for it."""
