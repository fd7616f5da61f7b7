"""The bus on Apache Kafka 4 through aiokafka.

Rules (docs/adr/0003): acks=all and an idempotent producer, no Kafka transactions; sends have our own deadline,
because an idempotent batch never expires by itself, and a failed producer is thrown away (aiokafka #1017). A
partition is read from where its consumer's database says, sought after every assignment; committed offsets are for
lag monitoring only. The compiled record parser must be present: the pure one is a hundred times slower, silently.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.helpers import create_ssl_context

from libs.common.bus.kafka_consumer import FAILURES, KafkaBusConsumer, delivery_of, read_any_header_name
from libs.common.bus.port import (
    RECORD_BYTES_MAX,
    BusUnavailableError,
    Delivery,
    OutgoingRecord,
    RecordsRefusedError,
    StartPositions,
    Topic,
    raw,
)

MECHANISM: Final = "SCRAM-SHA-512"
REQUEST_TIMEOUT_MS = 5_000
SEND_DEADLINE_S = 10.0
DISCARD_DEADLINE_S = 15.0
SESSION_TIMEOUT_MS = 6_000  # the smallest that a broker accepts by default: how long a dead member keeps its partitions
HEARTBEAT_MS = 2_000
BATCH_BYTES_MAX = 128 * 1024
_TOO_LARGE = MessageSizeTooLargeError


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
    except FAILURES as error:
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
        read_any_header_name()

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
        """Returns when all in-sync replicas have every record. Raises BusUnavailableError and RecordsRefusedError."""
        if refused := {nth: why for nth, record in enumerate(records) if (why := _refusal(record))}:
            raise RecordsRefusedError(refused)
        outcomes = await self._send(records)
        large = [nth for nth, outcome in enumerate(outcomes) if isinstance(outcome, _TOO_LARGE)]
        if len(records) > 1:  # the broker refuses a batch whole: who is too large shows alone
            large = [nth for nth in large if isinstance((await self._send([records[nth]]))[0], _TOO_LARGE)]
        if large:
            raise RecordsRefusedError(dict.fromkeys(large, "too_large"))

    async def _send(self, records: Sequence[OutgoingRecord]) -> Sequence[object]:
        """What became of each: an error only where it was too large."""
        sends: list[asyncio.Future[Any]] = []
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                producer = await self._open()
                for record in records:
                    value = None if "value" in record.null else record.value
                    content = {"key": record.key_bytes, "headers": list(record.headers)}
                    sends.append(await producer.send(record.topic, value, **content))
                outcomes = await asyncio.gather(*sends, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException) and not isinstance(outcome, _TOO_LARGE):
                    raise outcome
        except (UnknownTopicOrPartitionError, InvalidTopicError) as error:
            topic = records[min(len(sends), len(records) - 1)].topic
            self._give_up(sends, producer)
            refused = {nth: "unknown_topic" for nth, record in enumerate(records) if record.topic == topic}
            raise RecordsRefusedError(refused) from error
        except FAILURES as error:
            self._give_up(sends, producer)
            raise BusUnavailableError from error
        return outcomes

    def _give_up(self, sends: Iterable["asyncio.Future[Any]"], producer: AIOKafkaProducer | None) -> None:
        for send in sends:
            send.cancel()
        if producer is not None:
            self._discard(producer)

    def consumer(self, group: str, topics: Sequence[str], start: StartPositions) -> KafkaBusConsumer:
        """A new member of `group`."""
        member = partial(
            AIOKafkaConsumer,
            **self._options,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # only where our own position has fallen off the log
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        return KafkaBusConsumer(member, topics, start)

    async def history(self, topic: str) -> AsyncGenerator[Delivery]:
        """See `Bus.history`."""
        reader = AIOKafkaConsumer(**self._options, auto_offset_reset="earliest")
        try:
            await reader.start()
            await reader._client._wait_on_metadata(topic)  # noqa: SLF001 - no public call makes it ask
            places = [TopicPartition(topic, nth) for nth in reader.partitions_for_topic(topic) or ()]
            reader.assign(places)
            ends = await reader.end_offsets(places)
            await reader.seek_to_beginning(*places)
            while left := [place for place in places if await reader.position(place) < ends[place]]:
                for records in (await reader.getmany(*left, timeout_ms=500)).values():
                    for record in records:
                        yield delivery_of(record)
        except FAILURES as error:
            raise BusUnavailableError from error
        finally:
            await reader.stop()

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
    with suppress(*FAILURES):
        async with asyncio.timeout(DISCARD_DEADLINE_S):
            if producer._sender is not None:  # noqa: SLF001
                await producer._sender.close()  # noqa: SLF001
            producer._message_accumulator.fail_all(KafkaError("discarded"))  # noqa: SLF001
            await producer.stop()


def _refusal(record: OutgoingRecord) -> str | None:
    """Why the record cannot be sent by this client, as a code."""
    if record.size > RECORD_BYTES_MAX:
        return "too_large"
    if record.null >= {"key", "value"} or any(name != raw(name).decode(errors="replace") for name, _ in record.headers):
        return "unsendable"
    return None
