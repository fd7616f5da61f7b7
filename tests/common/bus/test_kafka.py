"""What only Kafka can get wrong: a broker that is killed, a member that dies, a record parser that is not compiled."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from libs.common.bus.kafka_consumer import KafkaBusConsumer
from libs.common.bus.opening import connect
from libs.common.bus.port import Bus, BusUnavailableError, OutgoingRecord, Topic
from tests import servers
from tests.waiting import until

pytestmark = pytest.mark.kafka


@pytest.fixture
async def own_broker(tmp_path: Path):
    broker = servers.own_kafka(tmp_path)
    yield broker
    broker.kill()


async def test_the_record_parser_must_be_compiled(monkeypatch: pytest.MonkeyPatch):
    bus = connect("kafka://127.0.0.1:1", client_id="test")
    await bus.start()
    assert import_module("aiokafka.record._crecords")
    monkeypatch.setitem(__import__("sys").modules, "aiokafka.record._crecords", None)
    with pytest.raises(ImportError):
        await bus.start()
    await bus.stop()


async def test_an_unreachable_broker_is_unavailable_and_not_an_endless_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libs.common.bus.kafka.SEND_DEADLINE_S", 0.5)
    bus = connect("kafka://127.0.0.1:1", client_id="test")
    with pytest.raises(BusUnavailableError):
        await bus.publish([OutgoingRecord("t", "k", (), b"1")])
    await bus.stop()


async def test_what_was_acknowledged_survives_a_killed_broker_and_publishing_resumes(own_broker):
    bus = connect(f"kafka://{own_broker.bootstrap_servers}", client_id="reader")
    await bus.ensure_topics([Topic("case.events", 3)])
    acknowledged: list[int] = []
    refused = 0

    async def publish_all(total: int) -> None:
        nonlocal refused
        bus = connect(f"kafka://{own_broker.bootstrap_servers}", client_id="writer")
        for number in range(total):
            record = OutgoingRecord("case.events", f"key-{number % 5}", (), str(number).encode())
            while True:
                try:
                    await bus.publish([record])
                    break
                except BusUnavailableError:
                    refused += 1
            acknowledged.append(number)
            await asyncio.sleep(0.002)
        await bus.stop()

    # On a thread of its own: a server is started, and so restarted, from the main thread only.
    publishing = asyncio.create_task(asyncio.to_thread(asyncio.run, publish_all(400)))

    async def half_way() -> bool:
        return len(acknowledged) > 100

    await until(half_way)
    own_broker.kill()
    own_broker.restart()
    await publishing
    seen = await read_all(bus, "case.events", 400)
    await bus.stop()
    by_key: dict[str, list[int]] = {}
    for key, number in seen:
        by_key.setdefault(key, []).append(number)
    assert {number for _, number in seen} == set(range(400))
    for numbers in by_key.values():  # repeated perhaps, never out of order at first sight
        assert list(dict.fromkeys(numbers)) == sorted(set(numbers))


async def read_all(bus: Bus, topic: str, distinct: int) -> list[tuple[str, int]]:
    async def from_zero(topic: str, partition: int) -> int:
        return 0

    consumer = bus.consumer("reader", [topic], from_zero)
    await consumer.start()
    seen: list[tuple[str, int]] = []
    async with asyncio.timeout(60):
        while len({number for _, number in seen}) < distinct:
            seen += [(d.key, int(d.value)) for d in await consumer.fetch(timeout_s=0.3)]
    await consumer.stop()
    return seen


@asynccontextmanager
async def joined(kafka: str, partitions: int = 1) -> AsyncIterator[tuple[Bus, KafkaBusConsumer, str]]:
    """A bus, the only member of a group on it, which begins at the first record, and its new topic."""
    topic = f"t-{secrets.token_hex(6)}"
    kafka_bus = connect(f"kafka://{kafka}", client_id="test")
    await kafka_bus.start()
    await kafka_bus.ensure_topics([Topic(topic, partitions)])

    async def from_zero(_topic: str, _partition: int) -> int:
        return 0

    member = kafka_bus.consumer(topic, [topic], from_zero)
    assert isinstance(member, KafkaBusConsumer)
    await member.start()
    yield kafka_bus, member, topic
    await member.stop()
    await kafka_bus.stop()


@pytest.mark.parametrize("task", ["_fetcher._fetch_task", "_coordinator._coordination_task"])
async def test_a_member_whose_reader_has_ended_by_itself_begins_anew(kafka: str, task: str):
    """aiokafka logs it once and then answers every fetch with nothing: its `error_future` is asked by nobody."""
    async with joined(kafka) as (kafka_bus, member, topic):
        await kafka_bus.publish([OutgoingRecord(topic, "k", (), b"1")])
        seen: list[bytes] = []

        async def read(value: bytes) -> bool:
            seen.extend(delivery.value for delivery in await member.fetch(timeout_s=0.3))
            return value in seen

        await until(lambda: read(b"1"))
        ended = attrgetter(task)(member._consumer)
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)
        await kafka_bus.publish([OutgoingRecord(topic, "k", (), b"2")])
        await until(lambda: read(b"2"))


async def test_a_member_with_many_partitions_reads_them_at_once(kafka: str):
    """A question to the broker waits for the fetch that is on its way: one for each partition took a second each."""
    partitions = 48
    asked: list[object] = []
    async with joined(kafka, partitions) as (kafka_bus, member, topic):
        consumer = member._consumer
        for name in ("beginning_offsets", "end_offsets"):
            ask = getattr(consumer, name)
            setattr(consumer, name, lambda places, ask=ask: asked.append(places) or ask(places))
        await kafka_bus.publish([OutgoingRecord(topic, f"key-{nth}", (), b"1") for nth in range(10 * partitions)])
        read = 0

        async def all_read() -> bool:
            nonlocal read
            read += len(await member.fetch(timeout_s=0.3))
            return read == 10 * partitions

        await until(all_read)
        assert len(member._consumer.assignment()) == partitions
        assert len(asked) == 2, "the first record's offset, and the next one's, of all partitions together"


async def test_a_coordinator_that_does_not_answer_holds_up_no_reading(kafka: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libs.common.bus.kafka_consumer.LAG_DEADLINE_S", 0.2)
    monkeypatch.setattr("libs.common.bus.kafka_consumer.LAG_REPORT_S", 0.0)
    async with joined(kafka) as (kafka_bus, member, topic):
        asked = asyncio.Event()

        async def never(_offsets: object) -> None:
            asked.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(member._consumer, "commit", never)
        for value in (b"1", b"2"):
            await kafka_bus.publish([OutgoingRecord(topic, "k", (), value)])
            [delivery] = await until(lambda: member.fetch(timeout_s=0.3))
            assert delivery.value == value
            await member.report({(topic, 0): delivery.offset + 1})
        assert asked.is_set()
