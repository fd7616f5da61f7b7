"""No record is lost and none counts twice, under crash, redelivery, zombie and restore; on both buses."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from libs.common.bus.port import Bus, Delivery, OutgoingRecord
from libs.common.consuming.consumer import Consumer, NotYetError
from libs.common.consuming.inbox import ZombieError, advance, first_seen, first_seen_of, positions
from libs.common.database.database import Database
from tests.common.world.handling import Recorder, consuming, effects, position, publish
from tests.conftest import MakeTopic
from tests.operator import parking
from tests.waiting import until


async def has_effects(database: Database, count: int) -> bool:
    return len(await effects(database)) >= count


async def test_a_key_is_first_seen_exactly_once(database: Database):
    async with database.write() as session:
        assert await first_seen(session, "s", "1")
        assert not await first_seen(session, "s", "1")
        assert await first_seen(session, "other", "1")
    async with database.write() as session:
        assert not await first_seen(session, "s", "1")
        assert await first_seen_of(session, [("s", "1"), ("s", "2"), ("s", "2")]) == {("s", "2")}
        assert await first_seen_of(session, []) == frozenset()


async def test_a_key_of_a_rolled_back_transaction_was_not_seen(database: Database):
    async def failing():
        async with database.write() as session:
            assert await first_seen(session, "s", "1")
            raise KeyError

    with pytest.raises(KeyError):
        await failing()
    async with database.write() as session:
        assert await first_seen(session, "s", "1")


async def test_a_position_moves_only_from_where_it_is(database: Database):
    async with database.write() as session:
        await advance(session, "t", 0, expected=0, next_offset=5)
        await advance(session, "t", 0, expected=5, next_offset=9)
        with pytest.raises(ZombieError):
            await advance(session, "t", 0, expected=5, next_offset=7)
        with pytest.raises(ZombieError):
            await advance(session, "t", 0, expected=0, next_offset=7)
        with pytest.raises(ZombieError):
            await advance(session, "t", 1, expected=3, next_offset=4)
        assert await positions(session, "t") == {0: 9}


async def test_records_are_handled_once_and_the_position_follows(bus: Bus, database: Database, make_topic: MakeTopic):
    topic = await make_topic()
    await publish(bus, topic, *range(5))
    handler = Recorder()
    async with consuming(bus, database, topic, handler):
        await until(lambda: has_effects(database, 5))
        await publish(bus, topic, 5)
        await until(lambda: has_effects(database, 6))
    assert handler.handled == ["0", "1", "2", "3", "4", "5"]
    assert await position(database, topic) == 6


async def test_a_consumer_that_dies_before_its_commit_leaves_no_effect_and_is_repeated(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    await publish(bus, topic, "a", "b")
    reached = asyncio.Event()

    async def die(_: Sequence[Delivery]) -> None:
        reached.set()
        await asyncio.Event().wait()

    async with consuming(bus, database, topic, Recorder(after=die)):
        await reached.wait()
    assert await effects(database) == []
    assert await position(database, topic) == 0
    async with consuming(bus, database, topic, Recorder()):
        await until(lambda: has_effects(database, 2))
    assert await effects(database) == ["a", "b"]


async def test_a_consumer_that_dies_after_its_commit_is_not_repeated(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    """What the bus knows of the group lags behind; the position in the database decides."""
    topic = await make_topic()
    await publish(bus, topic, "a", "b")
    async with consuming(bus, database, topic, Recorder()):
        await until(lambda: has_effects(database, 2))
    successor = Recorder()
    await publish(bus, topic, "c")
    async with consuming(bus, database, topic, successor):
        await until(lambda: has_effects(database, 3))
    assert successor.handled == ["c"]


async def test_a_duplicate_on_the_bus_counts_once(bus: Bus, database: Database, make_topic: MakeTopic):
    topic = await make_topic()
    await publish(bus, topic, "a", "a", "b")
    async with consuming(bus, database, topic, Recorder()):
        await until(lambda: has_effects(database, 2))
        await publish(bus, topic, "a", "c")
        await until(lambda: has_effects(database, 3))
    assert await effects(database) == ["a", "b", "c"]


async def test_a_zombie_is_stopped_by_the_position(bus: Bus, database: Database, make_topic: MakeTopic):
    """While it prepares, its successor handles the batch; what it then does has no effect, and it carries on."""
    topic = await make_topic()
    await publish(bus, topic, "a", "b")
    prepared, resume = asyncio.Event(), asyncio.Event()

    async def pause(_: Sequence[Delivery]) -> None:
        prepared.set()
        await resume.wait()

    zombie = Recorder(preparing=pause)
    async with consuming(bus, database, topic, zombie):
        await prepared.wait()
        async with database.write() as session:  # as the successor's transaction
            await advance(session, topic, 0, expected=0, next_offset=2)
            await session.execute(text("INSERT INTO effect (id) VALUES ('by the successor')"))
        resume.set()
        await publish(bus, topic, "c")
        await until(lambda: has_effects(database, 2))
    assert zombie.handled == ["c"]
    assert await effects(database) == ["by the successor", "c"]


async def test_two_consumers_at_once_on_one_partition_have_one_effect(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    """Both believe that they own it: the second waits at the position, and fails there."""
    topic = await make_topic()
    await publish(bus, topic, *range(10))
    both = asyncio.Barrier(2)

    async def together(_: Sequence[Delivery]) -> None:
        if not both.broken:
            try:
                async with asyncio.timeout(5):
                    await both.wait()
            except (TimeoutError, asyncio.BrokenBarrierError):
                await both.abort()

    one, other = Recorder(preparing=together), Recorder(preparing=together)
    async with consuming(bus, database, topic, one):
        other_group = f"other-{topic}"  # another group's members share no partitions, but these share a database
        second = asyncio.create_task(
            Consumer(bus, database, other_group, [topic], handler=other, parking=parking()).run()
        )
        await until(lambda: has_effects(database, 10))
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    assert sorted([*one.handled, *other.handled]) == [str(n) for n in range(10)]


async def test_a_database_restored_to_an_earlier_position_is_given_what_it_missed(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    await publish(bus, topic, *range(6))
    async with consuming(bus, database, topic, Recorder()):
        await until(lambda: has_effects(database, 6))
    async with database.write() as session:  # the backup was taken after two records
        for statement in (
            "DELETE FROM effect WHERE id > '1'",
            "DELETE FROM inbox WHERE event_id > '1'",
            "UPDATE bus_position SET next_offset = 2",
        ):
            await session.execute(text(statement))
    restored = Recorder()
    async with consuming(bus, database, topic, restored):
        await until(lambda: has_effects(database, 6))
    assert restored.handled == ["2", "3", "4", "5"]


async def test_what_is_not_yet_possible_is_waited_for_and_holds_up_no_other_partition(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic(2)
    ready = False
    slow, fast = await _keys_of_two_partitions(bus, topic)
    attempts = 0

    async def not_yet(deliveries: Sequence[Delivery]) -> None:
        nonlocal attempts
        if not ready and any(delivery.value == b"slow" for delivery in deliveries):
            attempts += 1
            raise NotYetError

    handler = Recorder(preparing=not_yet)
    async with consuming(bus, database, topic, handler):
        await publish(bus, topic, "slow", key=slow)
        await publish(bus, topic, *(f"fast-{n}" for n in range(3)), key=fast)
        await until(lambda: _includes(database, "fast-2"))
        await publish(bus, topic, "fast-3", key=fast)
        await until(lambda: _includes(database, "fast-3"))
        assert "slow" not in await effects(database)
        ready = True
        await until(lambda: _includes(database, "slow"))
    assert attempts >= 2


async def test_what_comes_later_does_not_overtake_what_waits(bus: Bus, database: Database, make_topic: MakeTopic):
    topic = await make_topic()
    refused = asyncio.Event()
    later = asyncio.Event()

    async def not_yet(deliveries: Sequence[Delivery]) -> None:
        if deliveries[0].value == b"first" and not later.is_set():
            refused.set()
            raise NotYetError

    handler = Recorder(preparing=not_yet)
    async with consuming(bus, database, topic, handler):
        await publish(bus, topic, "first")
        await refused.wait()
        await publish(bus, topic, "second")
        refused.clear()
        await refused.wait()
        await asyncio.sleep(0.3)  # long enough to fetch the second, were it fetched
        assert handler.handled == []
        later.set()
        await until(lambda: has_effects(database, 2))
    assert handler.handled == ["first", "second"]


async def _includes(database: Database, identity: str) -> bool:
    return identity in await effects(database)


async def _keys_of_two_partitions(bus: Bus, topic: str) -> tuple[str, str]:
    """Two keys that lie on different partitions, found by looking."""
    await bus.publish([OutgoingRecord(topic, f"key-{n}", (), b"probe") for n in range(16)])

    async def from_zero(topic: str, partition: int) -> int:
        return 0

    reader = bus.consumer(f"probe-{topic}", [topic], from_zero)
    await reader.start()
    by_partition: dict[int, str] = {}

    async def both() -> bool:
        by_partition.update({d.partition: d.key for d in await reader.fetch(timeout_s=0.2)})
        return len(by_partition) == 2

    await until(both)
    await reader.stop()
    return by_partition[0], by_partition[1]


async def test_a_database_that_goes_away_is_waited_for(bus: Bus, database: Database, make_topic: MakeTopic):
    topic = await make_topic()
    handler = Recorder()
    async with consuming(bus, database, topic, handler):
        await publish(bus, topic, "before")
        await until(lambda: has_effects(database, 1))
        admin = await database.connect_alone("admin")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'test'"
        )
        await admin.close()
        await publish(bus, topic, "after")
        await until(lambda: has_effects(database, 2))
    assert await effects(database) == ["after", "before"]
