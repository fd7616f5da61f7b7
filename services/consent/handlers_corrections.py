"""A reported fact is corrected by a later event of the same source that names it (R18).

1. The fact that was wrong is taken back and the person's state is drawn anew from the facts that stand, the correcting
   one among them unless it annuls. Decisions follow it from then on, and every scope is bumped.
2. What the wrong fact ended does not come back: consents stay closed and authorities ended. Those concerned are told,
   and may give anew.
3. Only its own source corrects an event, once, with the same type and person (`libs/common/reported.py`).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import uuid4

from libs.common.case_events import Key
from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import records, store_citizens, store_life_facts, store_notices
from services.consent.domain.calendar import danish_date
from services.consent.handlers_lifecycle import (
    HANDLERS,
    MOVED_IN,
    MOVED_OUT,
    Fact,
    change_of_life,
    draw_case,
    draw_moves,
)
from services.consent.receipts import Signer
from services.consent.records import Actor
from services.consent.store_life_facts import LifeFact
from services.consent.store_notices import Notice

DEATH, CUSTODY = "cpr.doedsfald", "cpr.foraeldremyndighed_aendret"


async def hear(session: WriteSession, signer: Signer, key: Key, fact: Fact) -> None:
    """A fact that corrects nothing: applied, and remembered by the event that reported it, of those known here."""
    if await store_citizens.born(session, fact.borger_id) is None:
        return
    await store_life_facts.add(session, key, _kept(key, fact))
    await HANDLERS[fact.type](session, signer, fact)


async def correct(
    session: WriteSession, signer: Signer, key: Key, fact: Fact, *, corrects: Key, annulled: bool
) -> None:
    """Take back the fact that `corrects` names and put `fact` in its place, or nothing.

    Whether it may was judged before (`libs/common/reported.py`). No fact is kept where the person was unknown when it
    was reported; the right one is then as good as the first.
    """
    earlier = await store_life_facts.find(session, corrects)
    if earlier is None:
        if not annulled:
            await hear(session, signer, key, fact)
        return
    if not earlier.stands or not _about_the_same(earlier, fact):  # an older event than its marks are kept for
        return
    await store_life_facts.take_back(session, corrects, key[1])
    if not annulled:
        await store_life_facts.add(session, key, _kept(key, fact))

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
        if await store_citizens.born(session, person) is not None:
            notice = Notice(uuid4(), person, "citizen", "fact_corrected", fact.borger_id, now)
            await store_notices.add(session, notice)
    actor = Actor("consent", "service", correlation_id=fact.correlation_id)
    objects = {"event_type": fact.type, "event_id": event_id, "corrects": earlier.event_id}
    await append(
        session,
        [records.of_read("fact.corrected", actor, subject=fact.borger_id, at=now, action="U", objects=objects)],
    )


async def _redraw_death(session: WriteSession, earlier: LifeFact) -> None:
    await store_life_facts.forget_death(session, earlier.borger_id)
    for fact in await store_life_facts.standing(session, earlier.borger_id, [DEATH]):
        await store_citizens.set_died(session, fact.borger_id, danish_date(fact.at))


async def _redraw_custody(session: WriteSession, earlier: LifeFact) -> None:
    await store_life_facts.forget_custody(session, earlier.borger_id, earlier.at)
    for fact in await store_life_facts.standing(session, earlier.borger_id, [CUSTODY]):
        await store_citizens.tell_custody(session, fact.borger_id, fact.custody_holders or (), fact.at)
    await store_citizens.draw_custody(session, earlier.borger_id)


Redraw = Callable[[WriteSession, LifeFact], Awaitable[None]]
_REDRAW: dict[str, Redraw] = {
    DEATH: _redraw_death,
    MOVED_OUT: draw_moves,
    MOVED_IN: draw_moves,
    CUSTODY: _redraw_custody,
    **{kind: draw_case for kind in HANDLERS if ".sag." in kind},
}
