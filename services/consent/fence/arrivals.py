"""Arrivals: which openings a case event has now (`docs/fence.md`).

1. *Not yet* is answered while consent has not consumed the bus as far as the event lies: what came before it, such as
   a closed case or a change of custody, must count. The position is read before the state, so the state includes it.
2. Openings and epochs are read in one statement.
3. Every answer has the same shape, and an empty list says nothing about why.
4. A record that was parked and sent again arrived when it was first parked: what was not covered then, without a break
   until now, has no opening (`docs/fence.md`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.consuming.inbox import positions
from libs.common.database.database import ReadSession, clock
from libs.common.wire.permits import Arrival, ArrivalAnswer, Opening, Revealed
from services.consent.decision.snapshot import Snapshot
from services.consent.decision.store import load_snapshot
from services.consent.fence import openings
from services.consent.fence.openings import Possible
from services.consent.model.scope import ScopeKey


@dataclass(frozen=True, slots=True)
class ArrivalAnswers:
    """One answer per event, in order; and the scopes whose coverage must begin anew before the answers are whole."""

    answers: list[ArrivalAnswer]
    lapsed: set[ScopeKey]


async def answer_arrivals(session: ReadSession, items: Sequence[Arrival]) -> list[ArrivalAnswer]:
    """One answer per event, in order."""
    return (await examine(session, items)).answers


async def examine(session: ReadSession, items: Sequence[Arrival]) -> ArrivalAnswers:
    """The answers; where `lapsed` is not empty, `scopes.renew` it and ask again: it is so after a catalogue's gap."""
    topics = sorted({item.position.topic for item in items})
    consumed = {topic: await positions(session, topic) for topic in topics}
    now = await clock(session)
    snapshot = await load_snapshot(session, {item.borger_id for item in items}, with_holders=True)
    found = [_examined(item, consumed[item.position.topic], snapshot, now) for item in items]
    answers = [_answer(item, examined) for item, examined in zip(items, found, strict=True)]
    return ArrivalAnswers(answers, {key for examined in found if examined is not None for key in examined.lapsed})


def _examined(item: Arrival, consumed: dict[int, int], snapshot: Snapshot, now: datetime) -> openings.Examined | None:
    """None: not yet."""
    if consumed.get(item.position.partition, 0) < item.position.offset:
        return None
    return openings.examine(
        item.type, item.borger_id, item.holder_unit, snapshot=snapshot, now=now, arrived=item.first_parked
    )


def _answer(item: Arrival, examined: openings.Examined | None) -> ArrivalAnswer:
    if examined is None:
        return ArrivalAnswer(event_id=item.event_id, not_yet=True)
    found = tuple(_opening(possible) for possible in examined.openings)
    return ArrivalAnswer(event_id=item.event_id, openings=found)


def _opening(possible: Possible) -> Opening:
    reveals = (Revealed(borger_id=part.borger_id, category=part.category, epoch=part.epoch) for part in possible.parts)
    return Opening(
        recipient_unit=possible.recipient_unit,
        purpose=possible.purpose,
        subject=possible.subject,
        reveals=tuple(reveals),
    )
