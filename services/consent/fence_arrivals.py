"""Arrivals: which openings a case event has now (`docs/fence.md` §2, §5).

1. *Not yet* is answered while consent has not consumed the bus as far as the event lies: what came before it, such as
   a closed case or a change of custody, must count. The position is read before the state, so the state includes it.
2. Openings and epochs are read in one statement.
3. Every answer has the same shape, and an empty list says nothing about why.
"""

from collections.abc import Sequence
from datetime import datetime

from libs.common.database import ReadSession, clock
from libs.common.inbox import positions
from libs.common.permits import Arrival, ArrivalAnswer, Opening, Revealed
from services.consent.domain.openings import Possible, openings
from services.consent.domain.snapshot import Snapshot
from services.consent.store_snapshot import load_snapshot


async def answer_arrivals(session: ReadSession, items: Sequence[Arrival]) -> list[ArrivalAnswer]:
    """One answer per event, in order."""
    topics = sorted({item.position.topic for item in items})
    consumed = {topic: await positions(session, topic) for topic in topics}
    now = await clock(session)
    snapshot = await load_snapshot(session, {item.borger_id for item in items}, with_holders=True)
    return [_answer(item, consumed[item.position.topic], snapshot, now) for item in items]


def _answer(item: Arrival, consumed: dict[int, int], snapshot: Snapshot, now: datetime) -> ArrivalAnswer:
    if consumed.get(item.position.partition, 0) < item.position.offset:
        return ArrivalAnswer(event_id=item.event_id, not_yet=True)
    found = openings(item.type, item.borger_id, item.holder_unit, snapshot=snapshot, now=now)
    return ArrivalAnswer(event_id=item.event_id, openings=tuple(_opening(possible) for possible in found))


def _opening(possible: Possible) -> Opening:
    reveals = (Revealed(borger_id=part.borger_id, category=part.category, epoch=part.epoch) for part in possible.parts)
    return Opening(
        recipient_unit=possible.recipient_unit,
        purpose=possible.purpose,
        subject=possible.subject,
        reveals=tuple(reveals),
    )
