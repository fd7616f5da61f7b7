"""The bus on Apache Kafka 4 through aiokafka.

Rules (events.md §1.2–1.3): acks=all and an idempotent producer, no Kafka transactions; sends have our own deadline,
because an idempotent batch never expires by itself, and a failed producer is thrown away (aiokafka #1017). A
partition is read from where its consumer's database says, sought after every assignment; committed offsets are for
lag monitoring only. The compiled record parser must be present: the pure one is a hundred times slower, silently.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import IllegalStateError, KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context

from libs.common.bus import (
    FETCH_MAX_RECORDS,
    FETCH_TIMEOUT_S,
    BusUnavailableError,
    Delivery,
    OutgoingRecord,
    Place,
    StartPositions,
    Topic,
    readable_from,
)
from libs.common.log import get_logger
from libs.common.metrics import CONSUMER_LAG_RECORDS
from libs.common.values import from_epoch_ms

MECHANISM: Final = "SCRAM-SHA-512"
REQUEST_TIMEOUT_MS = 5_000
SEND_DEADLINE_S = 10.0
DISCARD_DEADLINE_S = 15.0
SESSION_TIMEOUT_MS = 6_000  # the smallest that a broker accepts by default: how long a dead member keeps its partitions
HEARTBEAT_MS = 2_000
LAG_REPORT_S = 1.0
BATCH_BYTES_MAX = 128 * 1024
_FAILURES = (KafkaError, OSError, TimeoutError)


def client_options(bus_url: str) -> dict[str, Any]:
    """How aiokafka reaches a bus: `kafka[+tls]://[user:password@]host:port[,host:port][?mechanism=PLAIN&ca_file=FILE]`.

    A user signs in by SCRAM unless the address names another mechanism. `ca_file`: whose certificates count, else the
    system's. Raises ValueError for a parameter that is not one of these, OSError or ssl.SSLError for a bad file.
    """
    parts = urlsplit(bus_url)
    credentials, _, servers = parts.netloc.rpartition("@")
    asked = dict(parse_qsl(parts.query, strict_parsing=True) if parts.query else ())
    if unknown := asked.keys() - {"mechanism", "ca_file"}:
        raise ValueError(f"the bus's address has no parameter {min(unknown)}")
    tls = parts.scheme == "kafka+tls"
    options: dict[str, Any] = {
        "bootstrap_servers": servers,
        "security_protocol": ("SASL_" if credentials else "") + ("SSL" if tls else "PLAINTEXT"),
    }
    if tls:
        options["ssl_context"] = create_ssl_context(cafile=asked.get("ca_file"))
    if credentials:
        user, _, password = credentials.partition(":")
        options |= {
            "sasl_mechanism": asked.get("mechanism", MECHANISM),
            "sasl_plain_username": unquote(user),
            "sasl_plain_password": unquote(password),
        }
    return options


@asynccontextmanager
async def administering(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """An administrator's client. Raises `BusUnavailableError` for whatever fails in the block."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        yield admin
    except _FAILURES as error:
        raise BusUnavailableError from error
    finally:
        await admin.close()


class KafkaBus:
    """The distributed implementation of `Bus`. For the address see `client_options`."""

    def __init__(self, bus_url: str, *, client_id: str) -> None:
        self._options = client_options(bus_url) | {"client_id": client_id}
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        self._discarded: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Check the record parser. Raises `ImportError` where it was not compiled; connects on first use."""
        import_module("aiokafka.record._crecords")

    async def stop(self) -> None:
        """Let go of every connection."""
        if self._producer is not None:
            self._discard(self._producer)
        if self._discarded:
            await asyncio.wait(self._discarded)

    async def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Create the topics that are missing. Raises `BusUnavailableError`."""
        wanted = [
            NewTopic(topic.name, topic.partitions, topic.replication_factor, topic_configs=dict(topic.config or {}))
            for topic in topics
        ]
        async with administering(self._options) as admin:
            for name, code, *_ in (await admin.create_topics(wanted)).topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise BusUnavailableError(f"topic {name}: {for_code(code).__name__}")

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Returns when all in-sync replicas have every record. Raises `BusUnavailableError`."""
        sends: list[asyncio.Future[Any]] = []
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                producer = await self._open()
                for record in records:
                    headers = list(record.headers)
                    key = record.key.encode()
                    sends.append(await producer.send(record.topic, record.value, key=key, headers=headers))
                outcomes = await asyncio.gather(*sends, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        except _FAILURES as error:
            for send in sends:
                send.cancel()
            if producer is not None:
                self._discard(producer)
            raise BusUnavailableError from error

    def consumer(self, group: str, topics: Sequence[str], start: StartPositions) -> "KafkaBusConsumer":
        """A new member of `group`."""
        consumer = AIOKafkaConsumer(
            **self._options,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # only where our own position has fallen off the log
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        return KafkaBusConsumer(consumer, topics, start)

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._options,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,  # the relay batches; lingering is paid by whoever waits for one record
                    max_batch_size=BATCH_BYTES_MAX,
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    self._discard(producer)
                    raise
                self._producer = producer
            return self._producer

    def _discard(self, producer: AIOKafkaProducer) -> None:
        """Close it in the background: what it still holds is published again through its successor."""
        if self._producer is producer:
            self._producer = None
        task = asyncio.get_running_loop().create_task(_close(producer))
        self._discarded.add(task)
        task.add_done_callback(self._discarded.discard)


async def _close(producer: AIOKafkaProducer) -> None:
    """Close without the flush that `stop` would wait for without end, which aiokafka has no public call for."""
    with suppress(*_FAILURES):
        async with asyncio.timeout(DISCARD_DEADLINE_S):
            if producer._sender is not None:  # noqa: SLF001
                await producer._sender.close()  # noqa: SLF001
            producer._message_accumulator.fail_all(KafkaError("discarded"))  # noqa: SLF001
            await producer.stop()


class KafkaBusConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """One member of a group. A partition is read only after its position has been sought."""

    def __init__(self, consumer: AIOKafkaConsumer, topics: Sequence[str], start: StartPositions) -> None:
        self._consumer = consumer
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
        except _FAILURES as error:
            await self._consumer.stop()
            raise BusUnavailableError from error

    async def stop(self) -> None:
        """Leave the group."""
        self._reported_at = float("-inf")
        await self._report_lag()
        with suppress(*_FAILURES):
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
        for place in tuple(self._assigned - self._sought):
            offset = await self._start(place.topic, place.partition)
            edges = await self._edges(place)
            if place in self._assigned:
                self._sought.add(place)
                at = readable_from((place.topic, place.partition), offset, first=edges[0], end=edges[1])
                self.rewind(place.topic, place.partition, at)
        try:
            await self._report_lag()
            wanted = [place for place in self._sought if (place.topic, place.partition) not in skip]
            if not wanted:
                return await self._wait(timeout_s)
            read = await self._consumer.getmany(*wanted, timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except _FAILURES as error:
            raise BusUnavailableError from error
        return [_delivery(record) for place, records in read.items() if place in self._sought for record in records]

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

    async def _edges(self, place: TopicPartition) -> tuple[int, int]:
        """The oldest record's offset and the next one's. Raises `BusUnavailableError`."""
        try:
            first = await self._consumer.beginning_offsets([place])
            end = await self._consumer.end_offsets([place])
        except _FAILURES as error:
            raise BusUnavailableError from error
        return first[place], end[place]

    def _measure(self) -> None:
        """How far this member is behind, by partition, as of its last fetch."""
        for place in self._sought & self._consumer.assignment():
            end, offset = self._consumer.highwater(place), self._lag.get(place)
            if end is not None and offset is not None:
                CONSUMER_LAG_RECORDS.labels(place.topic, place.partition).set(max(0, end - offset))

    async def _wait(self, timeout_s: float) -> list[Delivery]:
        """Until an assignment, or the end of `timeout_s`."""
        if not self._assigned:
            await self._consumer.getmany(timeout_ms=0)  # raises what went wrong in the group
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()
        return []

    async def _report_lag(self) -> None:
        if not self._lag or time.monotonic() - self._reported_at < LAG_REPORT_S:
            return
        due = {place: offset for place, offset in self._lag.items() if place in self._sought}
        self._lag, self._reported_at = {}, time.monotonic()
        try:
            if due:
                await self._consumer.commit(due)
        except _FAILURES:
            get_logger().info("lag_not_reported", exc_info=True)


def _delivery(record: Any) -> Delivery:
    key = (record.key or b"").decode(errors="backslashreplace")
    place = (record.topic, record.partition, record.offset)
    return Delivery(*place, key, tuple(record.headers), record.value or b"", from_epoch_ms(record.timestamp))
