"""How records are read from Apache Kafka: by a member of a group, and each as a `Delivery` of any bytes.

Rules: a partition is read from where its consumer's database says, sought after every assignment and after whatever
went wrong in between; committed offsets are for lag monitoring only.

A producer in C or Go can write any bytes as a header's name. aiokafka's parsers fail on one in the middle of a batch,
for ever, and lose the records before it. So the compiled parser reads on until it fails; that batch is read again by
aiokafka's own Python parser over a buffer that decodes as PEP 383 says (`libs.common.bus.port.raw`).
"""

import asyncio
import struct
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from libs.common.bus.port import (
    FETCH_MAX_RECORDS,
    FETCH_TIMEOUT_S,
    BusUnavailableError,
    Delivery,
    Place,
    StartPositions,
    readable,
    readable_from,
)
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import CONSUMER_LAG_RECORDS
from libs.common.wire.values import from_epoch_ms

LAG_REPORT_S = 1.0
LAG_DEADLINE_S = 5.0
FAILURES = (KafkaError, OSError, TimeoutError)
_OVERHEAD = struct.calcsize(">qi")  # base offset, length of what follows


class KafkaBusConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """One member of a group. A partition is read only after its position has been sought."""

    def __init__(self, make: Callable[[], AIOKafkaConsumer], topics: Sequence[str], start: StartPositions) -> None:
        self._make = make
        self._consumer = make()
        self._topics = list(topics)
        self._start = start
        self._assigned: set[TopicPartition] = set()
        self._sought: set[TopicPartition] = set()
        self._changed = asyncio.Event()
        self._lag: dict[TopicPartition, int] = {}
        self._reported_at = time.monotonic()

    async def start(self) -> None:
        """Join the group. Raises `BusUnavailableError`."""
        self._consumer.subscribe(self._topics, listener=self)
        try:
            await self._consumer.start()
        except FAILURES as error:
            await self._consumer.stop()
            raise BusUnavailableError from error

    async def stop(self) -> None:
        """Leave the group."""
        self._reported_at = float("-inf")
        await self._report_lag()
        with suppress(*FAILURES):
            await self._consumer.stop()

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - eager: all of them
        """Called by aiokafka: nothing of these is ours now."""
        self._assigned.clear()
        self._sought.clear()
        self._lag.clear()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka, which swallows errors here: so the seeking is left to `fetch`."""
        self._assigned = set(assigned)
        self._sought.clear()
        self._changed.set()

    async def fetch(
        self,
        max_records: int = FETCH_MAX_RECORDS,
        timeout_s: float = FETCH_TIMEOUT_S,
        skip: Collection[Place] = (),
    ) -> list[Delivery]:
        """See `BusConsumer.fetch`."""
        if self._has_ended():
            await self._begin_anew()
        await self._seek(self._assigned - self._sought)
        try:
            await self._report_lag()
            wanted = [place for place in self._sought if (place.topic, place.partition) not in skip]
            read = await self._read(wanted, timeout_s, max_records)
        except Exception as error:
            self._sought.clear()  # what it had read before it failed is lost: every partition is sought again
            if isinstance(error, FAILURES):
                raise BusUnavailableError from error
            raise
        if not read and self._consumer._coordinator.coordinator_id is None:  # noqa: SLF001 - aiokafka waits silently
            raise BusUnavailableError
        return [delivery_of(record) for place, records in read.items() if place in self._sought for record in records]

    async def _seek(self, places: Collection[TopicPartition]) -> None:
        """Go to where the database says. Raises `BusUnavailableError`.

        The broker is asked once for all of them: its answer waits for the fetch that is on its way, and one question
        for each partition would make a member with 70 of them wait for a minute before it reads its first record.
        """
        offsets = {place: await self._start(place.topic, place.partition) for place in places}
        edges = await self._edges(places)
        for place in self._assigned & edges.keys():
            first, end = edges[place]
            self._sought.add(place)
            at = readable_from((place.topic, place.partition), offsets[place], first=first, end=end)
            self.rewind(place.topic, place.partition, at)

    def _has_ended(self) -> bool:
        """Whether a task of aiokafka's has ended by itself: it logs that once, and from then on reads nothing."""
        tasks = (self._consumer._fetcher._fetch_task, self._consumer._coordinator._coordination_task)  # noqa: SLF001
        return any(task.done() for task in tasks)

    async def _begin_anew(self) -> None:
        """Leave the group and join it as a new member. Raises `BusUnavailableError`."""
        get_logger().warning("bus_reader_ended", topic=" ".join(self._topics))
        with suppress(*FAILURES):
            await self._consumer.stop()
        self.on_partitions_revoked(())
        self._consumer = self._make()
        await self.start()

    def rewind(self, topic: str, partition: int, offset: int) -> None:
        """Read this partition from `offset` next, where it is still ours."""
        place = TopicPartition(topic, partition)
        if place in self._sought:
            with suppress(IllegalStateError):
                self._consumer.seek(place, offset)

    async def report(self, positions: Mapping[Place, int]) -> None:
        """Commit the offsets within about a second."""
        self._lag |= {TopicPartition(*place): offset for place, offset in positions.items()}
        self._measure()

    async def _edges(self, places: Collection[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """The oldest record's offset and the next one's, of each. Raises `BusUnavailableError`."""
        if not places:
            return {}
        try:
            first, end = await asyncio.gather(
                self._consumer.beginning_offsets(places), self._consumer.end_offsets(places)
            )
        except FAILURES as error:
            raise BusUnavailableError from error
        return {place: (first[place], end[place]) for place in places}

    def _measure(self) -> None:
        """How far this member is behind, by partition, as of its last fetch."""
        for place in self._sought & self._consumer.assignment():
            end, offset = self._consumer.highwater(place), self._lag.get(place)
            if end is not None and offset is not None:
                CONSUMER_LAG_RECORDS.labels(place.topic, place.partition).set(max(0, end - offset))

    async def _read(self, places: Collection[TopicPartition], timeout_s: float, limit: int) -> dict[Any, Any]:
        """What is new in `places`, within `timeout_s`; without any, wait for an assignment."""
        if places:
            read: dict[Any, Any] = await self._consumer.getmany(
                *places, timeout_ms=int(timeout_s * 1000), max_records=limit
            )
            return read
        if not self._assigned:
            await self._consumer.getmany(timeout_ms=0)  # raises what went wrong in the group
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()
        return {}

    async def _report_lag(self) -> None:
        if not self._lag or time.monotonic() - self._reported_at < LAG_REPORT_S:
            return
        due = {place: offset for place, offset in self._lag.items() if place in self._sought}
        self._lag, self._reported_at = {}, time.monotonic()
        try:
            if due:  # aiokafka asks a coordinator that is away for ever, and reading waits meanwhile
                async with asyncio.timeout(LAG_DEADLINE_S):
                    await self._consumer.commit(due)
        except FAILURES:
            get_logger().info("lag_not_reported", exc_info=True)


def delivery_of(record: Any) -> Delivery:
    """One of aiokafka's records."""
    place = (record.topic, record.partition, record.offset)
    content = (readable(record.key or b""), tuple(record.headers), record.value or b"")
    null = frozenset(name for name in ("key", "value") if getattr(record, name) is None)
    return Delivery(*place, *content, from_epoch_ms(record.timestamp), null)


def read_any_header_name() -> None:
    """From now on every consumer of this process reads such records. May be repeated."""
    fetcher.MemoryRecords = _Records


class _Lenient(bytearray):
    """A buffer whose slices decode any bytes."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Lenient(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)


class _Batch:
    """One batch: the compiled one, except where only the lenient one can go on."""

    def __init__(self, compiled: Any, octets: bytes) -> None:
        self._compiled = compiled
        self._octets = octets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def __next__(self) -> Any:
        return next(self._compiled)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._compiled:
                yield record
                read += 1
        except UnicodeDecodeError:
            lenient = _DefaultRecordBatchPy(self._octets)
            lenient._maybe_uncompress()  # noqa: SLF001 - the buffer is changed between its two steps
            lenient._buffer = _Lenient(lenient._buffer)  # noqa: SLF001
            for nth, record in enumerate(lenient):
                if nth >= read:
                    yield record


class _Records:
    """What aiokafka's fetcher makes of an answer's bytes: batch after batch."""

    def __init__(self, octets: bytes) -> None:
        self._records = MemoryRecords(octets)
        self._octets = octets
        self._at = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def next_batch(self) -> Any:
        compiled = self._records.next_batch()
        _, length = struct.unpack_from(">qi", self._octets, self._at)
        begin, self._at = self._at, self._at + _OVERHEAD + length
        return compiled if compiled is None else _Batch(compiled, self._octets[begin : self._at])
