"""The only publisher: takes what handlers left in the outbox to the bus, in order, at least once, without a gap.

Rules: a lane belongs to one relay at a time, by a session lock on the very session
that numbers and marks, so a relay that lost its session can do neither. Per batch: give each new row of a lane the
next number, commit, publish, move the lane's `sent` mark, commit. A crash between any two of these repeats records
with the same numbers, and never skips one. No cursor: rows are found because they carry no number.

What the bus will never take as it is holds up nothing: an audit entry or a dead letter goes as a stub, with its headers
and so its number; anything else is set aside in its row, with the reason, and the lane goes on.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from libs.common.bus.port import Bus, BusUnavailableError, OutgoingRecord, RecordsRefusedError, unpack_headers
from libs.common.database.database import FAILURES, Bell, Database, transaction
from libs.common.database.shares import Shares
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import RECORDS_REFUSED, label
from libs.common.outbox.outbox import ALL_LANES, ENSURE_LANES
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.running.health import Conditions
from libs.common.wire.messages import AUDIT_ENTRIES, DEAD_LETTER_SUFFIX, LANES

BATCH_MAX = 500  # rows
POLL_S = 0.5  # NOTIFY is only a wake-up: what it missed is found by looking
BALANCE_S = 1.0
BACKOFF_MAX_S = 1.0
TOPIC_MISSING_S = 30.0  # a topic that its broker does not know for longer is not only late

_WAITING = (
    "SELECT EXISTS (SELECT FROM outbox WHERE number IS NULL AND lane = ANY($1::smallint[]))"
    " OR EXISTS (SELECT FROM outbox_lane WHERE numbered > sent AND lane = ANY($1::smallint[]))"
)
_LOCK_LANES = "SELECT numbered, sent FROM outbox_lane WHERE lane = ANY($1::smallint[]) ORDER BY lane FOR UPDATE"
_PENDING = (
    "SELECT o.id, o.topic, o.key, o.headers, o.payload, o.lane, o.generation, o.number"
    " FROM outbox o JOIN outbox_lane l USING (lane, generation)"
    " WHERE o.lane = ANY($1::smallint[]) AND o.number > l.sent ORDER BY o.lane, o.number LIMIT $2"
)
_NUMBER = """
WITH fresh AS (
  SELECT id, lane, row_number() OVER (PARTITION BY lane ORDER BY id) AS nth FROM (
    SELECT id, lane FROM outbox WHERE number IS NULL AND lane = ANY($1::smallint[]) ORDER BY id LIMIT $2) AS oldest
), marked AS (
  UPDATE outbox o SET number = l.numbered + fresh.nth, generation = l.generation
  FROM fresh JOIN outbox_lane l USING (lane) WHERE o.id = fresh.id
  RETURNING o.id, o.topic, o.key, o.headers, o.payload, o.lane, o.generation, o.number
), counted AS (
  UPDATE outbox_lane l SET numbered = l.numbered + c.n
  FROM (SELECT lane, count(*) AS n FROM fresh GROUP BY lane) AS c WHERE l.lane = c.lane
)
SELECT id, topic, key, headers, payload, lane, generation, number FROM marked ORDER BY id
"""
# A mark that a crash loses costs repeats, so it does not wait for the disk; a number that a crash lost would be reused.
_MARK_SENT = (
    "UPDATE outbox_lane l SET sent = m.number FROM (SELECT set_config('synchronous_commit', 'off', true)) AS hasty,"
    " unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS m (lane, generation, number)"
    " WHERE l.lane = m.lane AND l.generation = m.generation AND l.sent < m.number"
)
_SET_ASIDE = (
    "UPDATE outbox o SET refused = r.why FROM unnest($1::bigint[], $2::text[]) AS r (id, why) WHERE o.id = r.id"
)
_TRY_AGAIN = "UPDATE outbox SET refused = NULL, number = NULL, generation = NULL WHERE refused = 'unknown_topic'"


class _TopicMissingError(BusUnavailableError):
    """The bus answers, but does not know the topic yet."""


class Relay:
    """One of any number of relays of one service; they share the lanes. `producer` is the service's name."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        producer: str,
        bell: Bell | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._producer = producer
        self._bell = bell or Bell()
        self._conditions = conditions or Conditions()
        self._delay_s = 0.0
        self._missing: dict[str, float] = {}  # topic → since when, on the monotonic clock
        self._given_up: set[str] = set()  # topics that were missing for too long; a new process tries them again

    async def run(self) -> None:
        """Publish for ever; end by cancelling. Outages of database and bus are waited out."""
        while True:
            try:
                await self._own_lanes()
            except FAILURES:
                get_logger().warning("relay_without_database", exc_info=True)
                await self._back_off()

    async def _own_lanes(self) -> None:
        """The life of one session: its locks are this relay's lanes."""
        session = await self._database.connect_alone("relay")
        try:
            await session.execute(ENSURE_LANES, ALL_LANES)
            await session.execute(_TRY_AGAIN)  # the operator has made the topic, and started us anew
            await session.add_listener("outbox", self._bell.heard)
            shares = Shares(session, "outbox", ALL_LANES)
            balanced_at = float("-inf")
            while True:
                if time.monotonic() - balanced_at >= BALANCE_S:
                    await shares.balance()
                    balanced_at = time.monotonic()
                if not await self.drain_once(session, sorted(shares.owned)):
                    await self._bell.wait(POLL_S)
        finally:
            session.terminate()  # at once and without a word to the server: it must not outlive a cancellation

    async def drain_once(self, session: asyncpg.Connection, lanes: Sequence[int]) -> int:
        """Publish one batch of `lanes`, owned by `session`; how many records. An outage of the bus is waited out."""
        if not await session.fetchval(_WAITING, lanes):
            return 0
        async with transaction(session):
            # Locking in a statement of its own: the next one then sees what a former owner did until now.
            behind = any(row["numbered"] > row["sent"] for row in await session.fetch(_LOCK_LANES, lanes))
            rows = await session.fetch(_PENDING if behind else _NUMBER, lanes, BATCH_MAX)
        try:
            refused = await self._publish({row["id"]: self._record(row) for row in rows})
        except BusUnavailableError as error:
            known = self._conditions.bus_reached if isinstance(error, _TopicMissingError) else self._conditions.bus_away
            known("relay")
            get_logger().warning("relay_without_bus", producer=self._producer, exc_info=True)
            await self._back_off()
            return len(rows)
        self._conditions.bus_reached("relay")
        if refused:
            await session.execute(_SET_ASIDE, list(refused), list(refused.values()))
        self._delay_s = 0.0
        last = {(row["lane"], row["generation"]): row["number"] for row in sorted(rows, key=lambda r: r["number"])}
        marks = sorted((lane, generation, number) for (lane, generation), number in last.items())
        await session.execute(_MARK_SENT, *zip(*marks, strict=True))
        return len(rows)

    async def _publish(self, rows: Mapping[int, OutgoingRecord]) -> dict[int, str]:
        """Publish them; row → why not, of those that the bus will never take. Raises BusUnavailableError."""
        refused = {row: "unknown_topic" for row, record in rows.items() if record.topic in self._given_up}
        records = {row: record for row, record in rows.items() if row not in refused}
        while records:
            try:
                await self._bus.publish(list(records.values()))
                break
            except RecordsRefusedError as error:
                sent = list(records)
                for row, why in [(sent[nth], why) for nth, why in error.refused.items()]:
                    stub = self._instead(records[row], why)
                    records[row] = stub or records[row]
                    if stub is None:
                        refused[row] = why
                records = {row: record for row, record in records.items() if row not in refused}
        for record in records.values():
            self._missing.pop(record.topic, None)
        return refused

    def _instead(self, record: OutgoingRecord, why: str) -> OutgoingRecord | None:
        """What goes instead of a refused record; None: nothing. Raises BusUnavailableError where patience may help."""
        if why == "unknown_topic":
            missing_s = time.monotonic() - self._missing.setdefault(record.topic, time.monotonic())
            if missing_s < TOPIC_MISSING_S or record.topic == AUDIT_ENTRIES:  # an entry's number is never passed over
                raise _TopicMissingError(f"no topic {record.topic}")
            self._given_up.add(record.topic)
        get_logger().error("record_refused_by_bus", topic=record.topic, reason=why)
        RECORDS_REFUSED.labels(label(record.topic), why).inc()
        raise_alarm_later(AlarmCode.RECORD_REFUSED, about=f"{record.topic}:{why}")
        told_by_headers = record.topic == AUDIT_ENTRIES or record.topic.endswith(DEAD_LETTER_SUFFIX)
        return replace(record, value=b"") if why == "too_large" and record.value and told_by_headers else None

    def _record(self, row: Any) -> OutgoingRecord:
        headers = unpack_headers(row["headers"])
        if row["lane"] < LANES:
            numbering = {"generation": row["generation"], "lane": row["lane"], "number": row["number"]}
            headers += (("ce_producer", self._producer.encode()),)
            headers += tuple((f"ce_{name}", str(value).encode()) for name, value in numbering.items())
        return OutgoingRecord(row["topic"], row["key"], headers, row["payload"])

    async def _back_off(self) -> None:
        self._delay_s = min(BACKOFF_MAX_S, max(0.02, 2 * self._delay_s))
        await asyncio.sleep(self._delay_s)
