"""The bus as an append-only log in a PostgreSQL database of its own.

Rules (docs/adr/0003): an append locks the (topic, partition) row before it draws the offset and holds it to the
commit, so that no offset becomes visible before a smaller one; a reader that skips what commits late has been seen.
The database's owner makes the tables and says who may write and read which topic. Everybody else appends through one
function that looks the session's user up, and sees the topics that it may read; nobody else changes or deletes a
record, or moves an offset.
Partitions are shared among a group's members by session locks. NOTIFY only wakes; what it missed is found by polling.
"""

import time
import zlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, timedelta
from typing import TypeVar

import asyncpg

from libs.common.bus.port import (
    FETCH_MAX_RECORDS,
    FETCH_TIMEOUT_S,
    RECORD_BYTES_MAX,
    BusUnavailableError,
    Delivery,
    Grant,
    OutgoingRecord,
    Place,
    RecordsRefusedError,
    StartPositions,
    Topic,
    pack_headers,
    raw,
    readable,
    readable_from,
    unpack_headers,
)
from libs.common.bus.postgres_schema import ADMIT, FORGET_GRANTS, GRANT, KEEP, SCHEMA
from libs.common.database.database import FAILURES, Bell, Database, WriteSession, driver
from libs.common.database.shares import Shares
from libs.common.observing.metrics import CONSUMER_LAG_RECORDS

T = TypeVar("T")

CHANNEL = "bus"
POLL_S = 0.5
HISTORY_STEP = 100  # records read at a time for an operator
BALANCE_S = 1.0

_ENSURE = "INSERT INTO bus_partition (topic, partition) SELECT $1, generate_series(0, $2 - 1) ON CONFLICT DO NOTHING"
_EDGES = (
    'SELECT coalesce((SELECT "offset" FROM bus_record r WHERE r.topic = p.topic AND r.partition = p.partition'
    ' ORDER BY "offset" LIMIT 1), next_offset) AS first, next_offset AS "end"'
    " FROM bus_partition p WHERE topic = $1 AND partition = $2"
)
_PARTITIONS = "SELECT topic, partition, next_offset FROM bus_partition ORDER BY topic, partition"
_APPEND = "SELECT bus_append($1::text[], $2::int[], $3::bytea[], $4::bytea[], $5::bytea[])"
_READ = (
    'SELECT r.* FROM unnest($1::text[], $2::int[], $3::bigint[]) WITH ORDINALITY AS w (topic, partition, "from", n)'
    ' CROSS JOIN LATERAL (SELECT topic, partition, "offset", key, headers, value, at FROM bus_record b'
    '  WHERE b.topic = w.topic AND b.partition = w.partition AND b."offset" >= w."from"'
    '  ORDER BY b."offset" LIMIT $4) AS r ORDER BY w.n, r."offset" LIMIT $4'
)


class PostgresBus:
    """The embedded implementation of `Bus`. `url` is the bus's own database, in its owner's or a service's name."""

    def __init__(self, url: str, *, client_id: str) -> None:
        self._database = Database(url, application_name=f"{client_id} bus", pool_size=4)
        self._bell = Bell(self._database, CHANNEL)
        self._partitions: dict[str, int] = {}

    async def start(self) -> None:
        """Nothing: it connects on first use, and the owner has made the tables."""

    async def stop(self) -> None:
        """Let go of every connection."""
        await self._bell.close()
        await self._database.close()

    async def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Make the tables and the topics that are missing; partitions are only ever added.

        A topic's `retention.ms` counts here too. The owner's alone.
        """
        try:
            async with self._database.write() as session:
                await driver(session).execute(SCHEMA)
                for topic in topics:
                    await driver(session).execute(_ENSURE, topic.name, topic.partitions)
                    if kept_ms := (topic.config or {}).get("retention.ms"):
                        await driver(session).execute(KEEP, topic.name, timedelta(milliseconds=int(kept_ms)))
        except FAILURES as error:
            raise BusUnavailableError from error
        self._partitions.clear()

    async def allow(self, grants: Iterable[Grant]) -> None:
        """Let these roles of the server do what their grants say; what was allowed before is forgotten."""
        try:
            async with self._database.write() as session:
                await driver(session).execute(FORGET_GRANTS)
                for grant in grants:
                    quoted = grant.principal.replace('"', '""')
                    await driver(session).execute(ADMIT.format(role=f'"{quoted}"'))
                    for topic in sorted(grant.writes | grant.reads):
                        facts = (grant.principal, topic, topic in grant.writes, topic in grant.reads)
                        await driver(session).execute(GRANT, *facts)
        except FAILURES as error:
            raise BusUnavailableError from error

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Returns when every record is committed. Raises `BusUnavailableError` and `RecordsRefusedError`."""
        if not records:
            return
        if refused := {nth: "too_large" for nth, record in enumerate(records) if record.size > RECORD_BYTES_MAX}:
            raise RecordsRefusedError(refused)
        try:
            async with self._database.write() as session:
                await self._append(session, records)
        except FAILURES as error:
            raise BusUnavailableError from error
        self._bell.ring()

    def consumer(self, group: str, topics: Sequence[str], start: StartPositions) -> "PostgresBusConsumer":
        """A new member of `group`."""
        return PostgresBusConsumer(self._database, group, topics, start)

    async def history(self, topic: str) -> AsyncGenerator[Delivery]:
        """See `Bus.history`."""
        try:
            async with self._database.read() as session:
                rows = await driver(session).fetch(_PARTITIONS)
                for place in [(row["topic"], row["partition"]) for row in rows if row["topic"] == topic]:
                    after = 0
                    while read := await driver(session).fetch(_READ, *([of] for of in (*place, after)), HISTORY_STEP):
                        for row in read:
                            yield _delivery(row)
                        after = read[-1]["offset"] + 1
        except FAILURES as error:
            raise BusUnavailableError from error

    async def _append(self, session: WriteSession, records: Sequence[OutgoingRecord]) -> None:
        counts = {topic: await self._count(session, topic) for topic in {record.topic for record in records}}
        if unknown := {nth: "unknown_topic" for nth, record in enumerate(records) if not counts[record.topic]}:
            raise RecordsRefusedError(unknown)
        rows = []
        for record in records:
            partition = zlib.crc32(raw(record.key)) % counts[record.topic]
            value = None if "value" in record.null else record.value
            rows.append((record.topic, partition, record.key_bytes, pack_headers(record.headers), value))
        await driver(session).execute(_APPEND, *zip(*rows, strict=True))

    async def _count(self, session: WriteSession, topic: str) -> int:
        if topic not in self._partitions:
            rows = await driver(session).fetch(_PARTITIONS)
            counts: dict[str, int] = defaultdict(int)
            for row in rows:
                counts[row["topic"]] += 1
            self._partitions = counts
        return self._partitions.get(topic, 0)


class PostgresBusConsumer:
    """One member of a group. Its session holds the locks on its partitions; a lost session loses them all."""

    def __init__(self, database: Database, group: str, topics: Sequence[str], start: StartPositions) -> None:
        self._database = database
        self._name = f"{group} {' '.join(sorted(topics))}"
        self._topics = frozenset(topics)
        self._start = start
        self._wake = Bell()
        self._session: asyncpg.Connection | None = None
        self._next: dict[Place, int] = {}
        self._shown: set[Place] = set()  # whose lag is among the figures

    async def start(self) -> None:
        """Join the group. Raises `BusUnavailableError`."""
        try:
            self._session = await self._database.connect_alone("consumer")
            await self._session.add_listener(CHANNEL, self._wake.heard)
            rows = await self._session.fetch(_PARTITIONS)
        except FAILURES as error:
            await self.stop()
            raise BusUnavailableError from error
        self._places = [(row["topic"], row["partition"]) for row in rows if row["topic"] in self._topics]
        self._shares = Shares(self._session, self._name, len(self._places))
        self._owned: list[Place] = []
        self._balanced_at = float("-inf")

    async def stop(self) -> None:
        """Leave the group."""
        if self._session is not None:
            self._session.terminate()
        self._session = None
        self._next = {}

    async def fetch(
        self,
        max_records: int = FETCH_MAX_RECORDS,
        timeout_s: float = FETCH_TIMEOUT_S,
        skip: Collection[Place] = (),
    ) -> list[Delivery]:
        """See `BusConsumer.fetch`. After a lost session it joins anew, and asks `start` anew."""
        deadline = time.monotonic() + timeout_s
        while True:
            new = await self._asked(self._balanced())
            starts = {place: await self._start(*place) for place in new}  # its own database's failure is no bus's
            deliveries = await self._asked(self._read(starts, max_records, skip))
            remaining_s = deadline - time.monotonic()
            if deliveries or remaining_s <= 0:
                return deliveries
            await self._wake.wait(min(POLL_S, remaining_s))

    def rewind(self, topic: str, partition: int, offset: int) -> None:
        """Read this partition from `offset` next, where it is still ours."""
        if (topic, partition) in self._next:
            self._next[topic, partition] = offset

    async def report(self, positions: Mapping[Place, int]) -> None:
        """Nothing: the positions in the consumers' databases are the lag's only measure here."""

    async def _asked(self, asking: Awaitable[T]) -> T:
        """What the bus answers. Raises `BusUnavailableError`, and has left the group then."""
        try:
            return await asking
        except FAILURES as error:
            await self.stop()
            raise BusUnavailableError from error

    async def _balanced(self) -> list[Place]:
        """Take this member's share of the partitions; those that are to be sought."""
        if self._session is None or self._session.is_closed():
            await self.stop()
            await self.start()
        assert self._session is not None
        if time.monotonic() - self._balanced_at >= BALANCE_S:
            await self._shares.balance()
            self._balanced_at = time.monotonic()
            self._owned = [self._places[slot] for slot in sorted(self._shares.owned)]
            self._next = {place: self._next[place] for place in self._owned if place in self._next}
            await self._measure(self._session)
        return [place for place in self._owned if place not in self._next]

    async def _measure(self, session: asyncpg.Connection) -> None:
        """How far this member is behind, by partition; what it no longer owns is another's to show."""
        ends = {(row["topic"], row["partition"]): row["next_offset"] for row in await session.fetch(_PARTITIONS)}
        for place in self._shown - self._next.keys():
            CONSUMER_LAG_RECORDS.remove(*place)
        for place, offset in self._next.items():
            CONSUMER_LAG_RECORDS.labels(*place).set(max(0, ends[place] - offset))
        self._shown = set(self._next)

    async def _read(self, starts: Mapping[Place, int], limit: int, skip: Collection[Place]) -> list[Delivery]:
        session = self._session
        assert session is not None
        for place, offset in starts.items():
            self._next[place] = readable_from(place, offset, **await session.fetchrow(_EDGES, *place))
        if starts:
            await self._measure(session)
        wanted = [(*place, offset) for place, offset in self._next.items() if place not in skip]
        if not wanted:
            return []
        deliveries = [_delivery(row) for row in await session.fetch(_READ, *zip(*wanted, strict=True), limit)]
        for delivery in deliveries:
            place = (delivery.topic, delivery.partition)
            self._next.pop(place, None)  # to the end of the line: a busy partition does not starve the others
            self._next[place] = delivery.offset + 1
        return deliveries


def _delivery(row: asyncpg.Record) -> Delivery:
    place = (row["topic"], row["partition"], row["offset"])
    content = (readable(row["key"] or b""), unpack_headers(row["headers"]), row["value"] or b"")
    null = frozenset(name for name in ("key", "value") if row[name] is None)
    return Delivery(*place, *content, row["at"].astimezone(UTC), null)
