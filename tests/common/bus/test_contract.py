"""The contract of the bus: both implementations pass the same tests."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from libs.common.bus.port import (
    RECORD_BYTES_MAX,
    Bus,
    BusConsumer,
    BusUnavailableError,
    Delivery,
    OutgoingRecord,
    Place,
    RecordsRefusedError,
    Topic,
    readable,
)
from tests.conftest import MakeTopic
from tests.waiting import until


def record(topic: str, key: str, value: object) -> OutgoingRecord:
    return OutgoingRecord(topic, key, (("ce_id", f"{key}-{value}".encode()), ("raw", b"\x00\xff")), str(value).encode())


async def from_zero(topic: str, partition: int) -> int:
    return 0


@asynccontextmanager
async def member(bus: Bus, group: str, topic: str, start: Callable = from_zero) -> AsyncIterator[BusConsumer]:
    consumer = bus.consumer(group, [topic], start)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def take(consumer: BusConsumer, count: int, timeout_s: float = 30.0) -> list[Delivery]:
    """At least `count` deliveries."""
    taken: list[Delivery] = []
    async with asyncio.timeout(timeout_s):
        while len(taken) < count:
            taken += await consumer.fetch(timeout_s=0.2)
    return taken


def values(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.value.decode() for delivery in deliveries]


def group_of(topic: str) -> str:
    return f"g-{topic}"


async def test_a_record_arrives_as_it_was_sent(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    sent = record(topic, "borger-æ", "hej")
    await bus.publish([sent])
    async with member(bus, group_of(topic), topic) as consumer:
        (got,) = await take(consumer, 1)
    assert (got.topic, got.key, got.headers, got.value) == (sent.topic, sent.key, sent.headers, sent.value)
    assert (got.partition, got.offset) == (0, 0)
    assert got.timestamp.utcoffset() is not None


async def test_an_unknown_topic_is_refused_and_not_a_new_topic(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    with pytest.raises(RecordsRefusedError) as refused:
        await bus.publish([record(topic, "k", 1), record("misspelled", "k", 1), record(topic, "k", 2)])
    assert refused.value.refused == {1: "unknown_topic"}


async def test_what_is_too_large_is_refused_by_name_and_the_rest_can_go(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    large = OutgoingRecord(topic, "k", (), b"x" * (RECORD_BYTES_MAX + 1))
    with pytest.raises(RecordsRefusedError) as refused:
        await bus.publish([record(topic, "k", 1), large])
    assert refused.value.refused == {1: "too_large"}
    await bus.publish([record(topic, "k", 1)])
    async with member(bus, group_of(topic), topic) as consumer:
        assert "1" in values(await take(consumer, 1))


async def test_a_record_of_any_bytes_arrives_as_it_was_sent(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    headers = (("a", None), ("a", b""), ("a", b"\x00\xff"), ("", b"nameless"), ("æ\x00", b"1"))
    sent = [
        OutgoingRecord(topic, readable(b"\xff\x00"), headers, b"\x00" * 1000),
        OutgoingRecord(topic, "", (), b"", frozenset({"key"})),
        OutgoingRecord(topic, "", (), b"", frozenset({"value"})),
        OutgoingRecord(topic, "", (), b""),
    ]
    await bus.publish(sent)
    async with member(bus, group_of(topic), topic) as consumer:
        got = await take(consumer, 4)
    assert [OutgoingRecord(one.topic, one.key, one.headers, one.value, one.null) for one in got] == sent


async def test_the_operator_sees_all_that_lies_on_a_topic(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic(3)
    assert [one async for one in bus.history(topic)] == []
    await bus.publish([record(topic, f"key-{n}", n) for n in range(250)])
    assert sorted([int(one.value) async for one in bus.history(topic)]) == [*range(250)]


async def test_publishing_nothing_is_nothing(bus: Bus):
    await bus.publish([])


async def test_ensuring_topics_twice_changes_nothing(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic(2)
    await bus.publish([record(topic, "k", 1)])
    await bus.ensure_topics([Topic(topic, 2)])
    async with member(bus, group_of(topic), topic) as consumer:
        assert values(await take(consumer, 1)) == ["1"]


async def test_the_records_of_a_key_keep_their_order(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic(3)
    for batch in range(10):
        await bus.publish([record(topic, f"key-{n % 7}", batch * 50 + n) for n in range(50)])
    async with member(bus, group_of(topic), topic) as consumer:
        deliveries = await take(consumer, 500)
    assert len(deliveries) == 500
    by_key: dict[str, list[int]] = defaultdict(list)
    for delivery in deliveries:
        by_key[delivery.key].append(int(delivery.value))
    assert len(by_key) == 7
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert len({delivery.partition for delivery in deliveries}) > 1


async def test_many_records_arrive_once_each_without_a_crash(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic(4)
    total = 10_000
    for first in range(0, total, 500):
        await bus.publish([record(topic, f"key-{n % 97}", n) for n in range(first, first + 500)])
    async with member(bus, group_of(topic), topic) as consumer:
        deliveries = await take(consumer, total)
    assert sorted(map(int, values(deliveries))) == list(range(total))
    offsets: dict[int, list[int]] = defaultdict(list)
    for delivery in deliveries:
        offsets[delivery.partition].append(delivery.offset)
    assert all(seen == sorted(seen) for seen in offsets.values())


async def test_a_fetch_returns_no_more_than_asked_and_the_rest_later(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    await bus.publish([record(topic, "k", n) for n in range(25)])
    async with member(bus, group_of(topic), topic) as consumer:
        got: list[Delivery] = []
        while len(got) < 25:
            batch = await consumer.fetch(max_records=10, timeout_s=0.2)
            assert len(batch) <= 10
            got += batch
    assert values(got) == [str(n) for n in range(25)]


async def test_a_partition_starts_where_the_consumers_database_says(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    await bus.publish([record(topic, "k", n) for n in range(5)])

    async def from_three(topic: str, partition: int) -> int:
        return 3

    async with member(bus, group_of(topic), topic, from_three) as consumer:
        assert values(await take(consumer, 2)) == ["3", "4"]


async def test_what_the_bus_remembers_of_the_group_does_not_decide(bus: Bus, make_topic: MakeTopic):
    """A database restored to an earlier position is given what it missed."""
    topic = await make_topic()
    await bus.publish([record(topic, "k", n) for n in range(5)])
    async with member(bus, group_of(topic), topic) as consumer:
        await take(consumer, 5)
        await consumer.report({(topic, 0): 5})
    async with member(bus, group_of(topic), topic) as consumer:
        assert values(await take(consumer, 5)) == ["0", "1", "2", "3", "4"]


async def test_the_position_is_asked_again_when_the_database_did_not_answer(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    await bus.publish([record(topic, "k", 0)])
    asked = 0

    async def failing_first(topic: str, partition: int) -> int:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise ConnectionError
        return 0

    got: list[Delivery] = []

    async with member(bus, group_of(topic), topic, failing_first) as consumer:

        async def fetched() -> bool:
            try:
                got.extend(await consumer.fetch(timeout_s=0.2))
            except (ConnectionError, BusUnavailableError):
                return False
            return bool(got)

        await until(fetched)
    assert values(got) == ["0"]
    assert asked == 3


async def test_rewinding_delivers_again_from_there(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    await bus.publish([record(topic, "k", n) for n in range(5)])
    async with member(bus, group_of(topic), topic) as consumer:
        await take(consumer, 5)
        consumer.rewind(topic, 0, 2)
        assert values(await take(consumer, 3)) == ["2", "3", "4"]
        consumer.rewind(topic, 99, 0)  # not ours: nothing happens


async def test_a_skipped_partition_is_neither_delivered_nor_lost(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic(2)
    await bus.publish([record(topic, f"key-{n}", n) for n in range(40)])
    async with member(bus, group_of(topic), topic) as consumer:
        first = await take(consumer, 1)
        skipped: Place = (topic, first[0].partition)
        consumer.rewind(*skipped, 0)

        async def others(seen: list[Delivery]) -> bool:
            seen += await consumer.fetch(timeout_s=0.2, skip=[skipped])
            return bool(seen)

        seen: list[Delivery] = [d for d in first if d.partition != skipped[1]]
        await until(partial(others, seen))
        assert {delivery.partition for delivery in seen} == {1 - skipped[1]}
        rest = await take(consumer, 40 - len(seen))
    assert sorted(map(int, values([*seen, *rest]))) == list(range(40))


async def test_skipping_every_partition_waits_and_returns_nothing(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    await bus.publish([record(topic, "k", 0)])
    async with member(bus, group_of(topic), topic) as consumer:
        await take(consumer, 1)
        consumer.rewind(topic, 0, 0)
        assert await consumer.fetch(timeout_s=0.1, skip=[(topic, 0)]) == []
        assert values(await take(consumer, 1)) == ["0"]


async def test_a_waiting_consumer_is_woken_by_a_record(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    async with member(bus, group_of(topic), topic) as consumer:
        await until(partial(_warm, bus, consumer, topic))
        waiting = asyncio.create_task(consumer.fetch(timeout_s=20))
        await asyncio.sleep(0.05)
        started = asyncio.get_running_loop().time()
        await bus.publish([record(topic, "k", "wake")])
        assert values(await waiting) == ["wake"]
        assert asyncio.get_running_loop().time() - started < 5


async def _warm(bus: Bus, consumer: BusConsumer, topic: str) -> bool:
    await bus.publish([record(topic, "k", "warm")])
    warmed = bool(await consumer.fetch(timeout_s=0.2))
    while await consumer.fetch(timeout_s=0.2):
        pass
    return warmed


async def test_members_share_the_partitions_and_a_leaver_is_replaced(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic(4)
    published = 0

    async def publish_some() -> None:
        nonlocal published
        await bus.publish([record(topic, f"key-{n}", published + n) for n in range(40)])
        published += 40

    async with member(bus, group_of(topic), topic) as first:
        async with member(bus, group_of(topic), topic) as second:
            seen: dict[str, set[int]] = {"first": set(), "second": set()}

            async def shared() -> bool:
                await publish_some()
                got = await asyncio.gather(first.fetch(timeout_s=0.3), second.fetch(timeout_s=0.3))
                for name, deliveries in zip(seen, got, strict=True):
                    seen[name] = {delivery.partition for delivery in deliveries}
                return bool(seen["first"] and seen["second"]) and seen["first"] | seen["second"] == {0, 1, 2, 3}

            await until(shared, 40)
            assert not seen["first"] & seen["second"]

        async def taken_over() -> bool:
            await publish_some()
            return {delivery.partition for delivery in await first.fetch(timeout_s=0.3)} == {0, 1, 2, 3}

        await until(taken_over, 40)


async def test_another_group_gets_every_record_too(bus: Bus, make_topic: MakeTopic):
    topic = await make_topic()
    await bus.publish([record(topic, "k", n) for n in range(3)])
    async with member(bus, f"a-{topic}", topic) as one, member(bus, f"b-{topic}", topic) as other:
        assert values(await take(one, 3)) == values(await take(other, 3)) == ["0", "1", "2"]
