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

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.citizens import authorities_store
from services.consent.citizens import store as citizens_store
from services.consent.citizens.authority import Authority, AuthorityStatus, end
from services.consent.consents import audit as consents_audit
from services.consent.consents.events import CustodyChanged, Event
from services.consent.decision.unit_mapping import counting_as
from services.consent.expiry.closing import close_lapsed
from services.consent.grants import receipt as grants_receipt
from services.consent.http.audit import Actor
from services.consent.http.signing import Signer
from services.consent.lifecycle import facts_store
from services.consent.lifecycle.facts_store import LifeFact
from services.consent.model.acting import SERVICE as SERVICE_OFFICE
from services.consent.model.calendar import danish_date
from services.consent.notices import ages
from services.consent.representation import audit as representation_audit
from services.consent.representation import proofs as representation_proofs
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store

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
    if await citizens_store.born(session, fact.borger_id) is None:
        return
    keys = await scopes_store.keys_of(session, [fact.borger_id, *represented])
    units = None if recipient_unit is None else await _counting_as(session, recipient_unit, await clock(session))
    concerned = [key for key in keys if units is None or key.recipient_unit in units]
    change = _Change()

    async def work(now: datetime) -> None:
        await act(change, now)
        for person in (fact.borger_id, *represented):
            change.events += await close_lapsed(session, person, now, recipient_units=units)

    changed = await scopes.change(session, concerned, work)
    await grants_receipt.prove(session, signer, change.events, changed)
    for authority in change.ended:
        await representation_proofs.prove_end(session, signer, authority, SERVICE_OFFICE, at=changed.at)
    actor = Actor("consent", "service", correlation_id=fact.correlation_id)
    told = consents_audit.of_events(change.events, actor, at=changed.at, epochs=changed.epochs)
    await append(session, [*told, *representation_audit.of_ends(change.ended, actor, changed.at)])


async def change_of_life(
    session: WriteSession, signer: Signer, fact: Fact, redraw: Callable[[datetime], Awaitable[None]]
) -> None:
    """Draw a person's state anew under all their scopes' locks; what may not go on by it is closed as by any fact."""

    async def act(_: _Change, now: datetime) -> None:
        await redraw(now)

    await _change(session, signer, fact, act)


async def _counting_as(session: WriteSession, unit: str, now: datetime) -> set[str]:
    """The unit, and those whose consents count for it by a recorded decision (R36)."""
    return counting_as(unit, await catalogue_store.current(session), now)


async def record_death(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Nobody is told anything about the dead on a consent of theirs: everything closes. They represent nobody either.

    Whatever the day: a death is told of afterwards, and nothing that it ended comes back by another date.
    """
    held = await authorities_store.held_by(session, fact.borger_id)

    async def act(change: _Change, now: datetime) -> None:
        await citizens_store.set_died(session, fact.borger_id, danish_date(fact.at))
        for authority in held:
            current = await authorities_store.lock(session, authority.authority_id)
            if current is not None and current.status is AuthorityStatus.ACTIVE:
                change.ended.append(end(current, now))
                await authorities_store.replace(session, current, change.ended[-1])

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
    await facts_store.forget_moves(session, of.borger_id)
    for fact in await facts_store.standing(session, of.borger_id, [MOVED_OUT, MOVED_IN]):
        move = citizens_store.set_moved_out if fact.type == MOVED_OUT else citizens_store.set_moved_in
        await move(session, fact.borger_id, danish_date(fact.at))


async def record_custody(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """Exactly these hold custody from then on. What lacks a declaration of today's closes; it may be given anew."""

    async def act(change: _Change, now: datetime) -> None:
        await citizens_store.set_custody(session, fact.borger_id, fact.custody_holders or (), fact.at)
        change.events.append(CustodyChanged(fact.borger_id, now))

    await _change(session, signer, fact, act)


async def record_birthday(session: WriteSession, signer: Signer, fact: Fact) -> None:
    """At 15 the young person is asked, at 18 a parent's declaration has lapsed (U14): what lacks theirs closes.

    The clock and the birth date decide whether it is the day, not the message; without one, the sweep does the same.
    """

    async def act(_: _Change, now: datetime) -> None:
        await ages.tell_of_age(session, fact.borger_id, now)

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
    await facts_store.forget_case(session, of.borger_id, unit, reference)
    administration = of.type.partition(".")[0]
    opened, closed = f"{administration}.sag.aabnet", f"{administration}.sag.lukket"
    for fact in await facts_store.standing(session, of.borger_id, [opened, closed]):
        if (fact.unit, fact.case_reference) == (unit, reference):
            step = citizens_store.open_case if fact.type == opened else citizens_store.close_case
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
