"""A reported fact is corrected by a later event of the same source that names it (R18).

1. The fact that was wrong is taken back and the person's state is drawn anew from the facts that stand, the correcting
   one among them unless it annuls. Decisions follow it from then on, and every scope is bumped.
2. What the wrong fact ended does not come back: consents stay closed and authorities ended. Those concerned are told,
   and may give anew.
3. Only its own source corrects an event, once, with the same type and person (`consuming/reported.py`).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import uuid4

from libs.common.bus.case_events import Key
from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.citizens import store as citizens_store
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.http.signing import Signer
from services.consent.lifecycle import facts_store
from services.consent.lifecycle.facts import HANDLERS, MOVED_IN, MOVED_OUT, Fact, change_of_life, draw_case, draw_moves
from services.consent.lifecycle.facts_store import LifeFact
from services.consent.model.calendar import danish_date
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice

DEATH, CUSTODY = "cpr.doedsfald", "cpr.foraeldremyndighed_aendret"


async def hear(session: WriteSession, signer: Signer, key: Key, fact: Fact) -> None:
    """A fact that corrects nothing: applied, and remembered by the event that reported it, of those known here."""
    if await citizens_store.born(session, fact.borger_id) is None:
        return
    await facts_store.add(session, key, _kept(key, fact))
    await HANDLERS[fact.type](session, signer, fact)


async def correct(
    session: WriteSession, signer: Signer, key: Key, fact: Fact, *, corrects: Key, annulled: bool
) -> None:
    """Take back the fact that `corrects` names and put `fact` in its place, or nothing.

    Whether it may was judged before (`consuming/reported.py`). No fact is kept where the person was unknown when it
    was reported; the right one is then as good as the first.
    """
    earlier = await facts_store.find(session, corrects)
    if earlier is None:
        if not annulled:
            await hear(session, signer, key, fact)
        return
    if not earlier.stands or not _about_the_same(earlier, fact):  # an older event than its marks are kept for
        return
    await facts_store.take_back(session, corrects, key[1])
    if not annulled:
        await facts_store.add(session, key, _kept(key, fact))

    async def redraw(_now: datetime) -> None:
        await _REDRAW[fact.type](session, earlier)

    await change_of_life(session, signer, fact, redraw)
    await _tell(session, earlier, fact, key[1])


def _about_the_same(earlier: LifeFact, fact: Fact) -> bool:
    same = (earlier.type, earlier.borger_id) == (fact.type, fact.borger_id)
    cases = (earlier.unit, earlier.case_reference) == (fact.unit, fact.case_reference)
    return same and (earlier.case_reference is None or cases)


def _kept(key: Key, fact: Fact) -> LifeFact:
    return LifeFact(*key, fact.type, fact.borger_id, fact.at, fact.unit, fact.case_reference, fact.custody_holders)


async def _tell(session: WriteSession, earlier: LifeFact, fact: Fact, event_id: str) -> None:
    """One entry about the person, and a notice to everybody whom the wrong or the right fact is about."""
    now = await clock(session)
    concerned = {fact.borger_id, *(earlier.custody_holders or ()), *(fact.custody_holders or ())}
    for person in sorted(concerned):
        if await citizens_store.born(session, person) is not None:
            notice = Notice(uuid4(), person, "citizen", "fact_corrected", fact.borger_id, now)
            await notices_store.add(session, notice)
    actor = Actor("consent", "service", correlation_id=fact.correlation_id)
    objects = {"event_type": fact.type, "event_id": event_id, "corrects": earlier.event_id}
    await append(
        session,
        [http_audit.of_read("fact.corrected", actor, subject=fact.borger_id, at=now, action="U", objects=objects)],
    )


async def _redraw_death(session: WriteSession, earlier: LifeFact) -> None:
    await facts_store.forget_death(session, earlier.borger_id)
    for fact in await facts_store.standing(session, earlier.borger_id, [DEATH]):
        await citizens_store.set_died(session, fact.borger_id, danish_date(fact.at))


async def _redraw_custody(session: WriteSession, earlier: LifeFact) -> None:
    await facts_store.forget_custody(session, earlier.borger_id, earlier.at)
    for fact in await facts_store.standing(session, earlier.borger_id, [CUSTODY]):
        await citizens_store.tell_custody(session, fact.borger_id, fact.custody_holders or (), fact.at)
    await citizens_store.draw_custody(session, earlier.borger_id)


Redraw = Callable[[WriteSession, LifeFact], Awaitable[None]]
_REDRAW: dict[str, Redraw] = {
    DEATH: _redraw_death,
    MOVED_OUT: draw_moves,
    MOVED_IN: draw_moves,
    CUSTODY: _redraw_custody,
    **{kind: draw_case for kind in HANDLERS if ".sag." in kind},
}
