"""Which events a source has reported, as keyed hashes: a correction is judged by these alone (ADR 0016, R18).

1. What becomes of a correction is therefore the same whether or not the person is known here, or anybody was told.
2. A hash holds type, person, unit and case of one event, and nobody without the service's keys can try a person
   against it. It goes with the replay horizon; nothing else is kept of a person who is unknown here.
3. An event is corrected once. An annulment is not corrected: what it annulled is reported anew.
4. A correction of what is older than the horizon is parked like one that names nothing. The operator, who alone can
   send a parked record again, may vouch for it so: then it counts for what is still kept.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from sqlalchemy import Boolean, Column, DateTime, Index, LargeBinary, MetaData, Table, Text, func, text

from libs.common.bus.case_events import CaseEvent, Key, step_of
from libs.common.bus.port import PoisonRecordError
from libs.common.database.database import WriteSession, driver
from libs.common.http.cursors import CursorKeys

REPORTED_GRANTS: Final = {"reported_event": "SELECT, INSERT, UPDATE, DELETE"}
_ADD = """
INSERT INTO reported_event (source, event_id, mark)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) AS k (source, event_id, mark) ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
_FIND = "SELECT mark, corrected FROM reported_event WHERE source = $1 AND event_id = $2 FOR UPDATE"
_CORRECTED = "UPDATE reported_event SET corrected = true WHERE source = $1 AND event_id = $2"


def reported_tables(metadata: MetaData) -> None:
    """Add `reported_event` to a service's metadata. `mark` is null for what was heard before there were marks."""
    reported = Table(
        "reported_event",
        metadata,
        Column("source", Text, primary_key=True),
        Column("event_id", Text, primary_key=True),
        Column("mark", LargeBinary),
        Column("corrected", Boolean, nullable=False, server_default=text("false")),
        Column("reported_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    )
    Index("reported_event_ix", reported.c.reported_at)


async def take(session: WriteSession, keys: CursorKeys, events: Sequence[CaseEvent]) -> None:
    """Remember what is reported, in order. Raises PoisonRecordError for a correction that names no such event."""
    for corrections, group in groupby(events, key=lambda one: one.corrects is not None):
        new = list(group)
        if corrections:
            for one in new:
                await _correct(session, keys, one)
        else:
            await _add(session, keys, new)


async def _add(session: WriteSession, keys: CursorKeys, events: Sequence[CaseEvent]) -> None:
    marks = [keys.mark(_facts(one, one.key)) for one in events]
    columns = [one.key[0] for one in events], [one.key[1] for one in events], marks
    await driver(session).execute(_ADD, *columns)


async def _correct(session: WriteSession, keys: CursorKeys, correction: CaseEvent) -> None:
    named = correction.corrects
    assert named is not None
    earlier = await driver(session).fetchrow(_FIND, *named)
    if (earlier is None and not correction.resent) or (earlier is not None and earlier["corrected"]):
        raise PoisonRecordError("corrects_unknown")
    if earlier is not None:
        mark = earlier["mark"]
        if mark is not None and not keys.marked(mark, _facts(correction, named)):
            raise PoisonRecordError("corrects_another")
        await driver(session).execute(_CORRECTED, *named)
    if not correction.data.annulled:
        await _add(session, keys, [correction])


def _facts(said: CaseEvent, named: Key) -> bytes:
    """What an event and its correction must have in common, with the event's own name: no two marks are alike."""
    case = said.data.case_reference if step_of(said.event.type) else None
    return "\n".join((*named, said.event.type, str(said.subject), said.data.unit, case or "")).encode()
