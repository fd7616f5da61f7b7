"""What only the embedded bus can get wrong: the order in which commits become visible, and a lost session."""

import asyncio

import pytest
from sqlalchemy import text

from libs.common.bus.opening import connect
from libs.common.bus.port import Bus, BusUnavailableError, Delivery, OutgoingRecord, Topic
from libs.common.database.database import Database
from tests.servers import TestDatabase
from tests.waiting import until


def record(value: int, key: str = "k") -> OutgoingRecord:
    return OutgoingRecord("case.events", key, (), str(value).encode())


async def from_zero(topic: str, partition: int) -> int:
    return 0


@pytest.fixture
async def topic_bus(embedded_bus: Bus) -> Bus:
    await embedded_bus.ensure_topics([Topic("case.events", 1), Topic("other", 1)])
    return embedded_bus


@pytest.fixture
async def spectator(bus_database: TestDatabase):
    database = Database(bus_database.url, application_name="spectator")
    yield database
    await database.close()


async def test_an_append_held_open_is_not_skipped_by_a_reader(
    topic_bus: Bus, spectator: Database, postgres, bus_database
):
    """The first append draws its offset and does not commit; the second must wait for it, not become visible first."""
    postgres.execute(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.value = '0' THEN PERFORM pg_advisory_xact_lock(42); END IF; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER holding AFTER INSERT ON bus_record DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION hold()",
        database=bus_database.name,
    )
    holder = await spectator.connect_alone("holder")
    await holder.execute("SELECT pg_advisory_lock(42)")
    consumer = topic_bus.consumer("g", ["case.events"], from_zero)
    await consumer.start()
    first = asyncio.create_task(topic_bus.publish([record(0)]))
    await until(lambda: _waits(holder, "advisory"))
    second = asyncio.create_task(topic_bus.publish([record(1)]))
    other_topic = OutgoingRecord("other", "k", (), b"free")
    await topic_bus.publish([other_topic])  # another partition is not held up
    await until(lambda: _waits(holder, "transactionid"))
    assert await consumer.fetch(timeout_s=0.2) == []
    await holder.execute("SELECT pg_advisory_unlock(42)")
    await asyncio.gather(first, second)
    seen: list[Delivery] = []
    async with asyncio.timeout(10):
        while len(seen) < 2:
            seen += await consumer.fetch(timeout_s=0.2)
    assert [(d.offset, d.value) for d in seen] == [(0, b"0"), (1, b"1")]
    await consumer.stop()
    await holder.close()


async def _waits(holder, kind: str) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = $1"
    return bool(await holder.fetchval(query, kind))


async def test_a_failed_append_leaves_no_gap(topic_bus: Bus, spectator: Database):
    await topic_bus.publish([record(0)])
    publishing = asyncio.create_task(topic_bus.publish([record(1)]))
    await asyncio.sleep(0)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    await topic_bus.publish([record(2)])
    async with spectator.read() as session:
        offsets = list((await session.execute(text('SELECT "offset" FROM bus_record ORDER BY 1'))).scalars())
    assert offsets == list(range(len(offsets)))


async def test_concurrent_appenders_of_many_partitions_do_not_deadlock(embedded_bus: Bus, spectator: Database):
    await embedded_bus.ensure_topics([Topic("case.events", 8)])
    batches = [[record(n, f"key-{(n * step) % 31}") for n in range(40)] for step in range(1, 21)]
    await asyncio.gather(*(embedded_bus.publish(batch) for batch in batches))
    async with spectator.read() as session:
        gaps = await session.execute(text('SELECT count(*) - 1 - max("offset") FROM bus_record GROUP BY partition'))
    assert set(gaps.scalars()) == {0}


async def test_a_member_whose_session_is_cut_joins_anew_and_asks_for_its_position(topic_bus: Bus, spectator: Database):
    asked: list[int] = []

    async def start(topic: str, partition: int) -> int:
        asked.append(partition)
        return 0

    consumer = topic_bus.consumer("g", ["case.events"], start)
    await consumer.start()
    await topic_bus.publish([record(0)])
    await until(lambda: consumer.fetch(timeout_s=0.2))
    async with spectator.write() as session:
        await session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%consumer'")
        )

    async def again() -> list[Delivery]:
        try:
            return await consumer.fetch(timeout_s=0.2)
        except Exception:  # noqa: BLE001 - the contract names the error; here it is waited out
            return []

    assert [d.value for d in await until(again)] == [b"0"]
    assert asked == [0, 0]
    await consumer.stop()


async def test_a_bus_that_is_gone_is_unavailable_and_comes_back(postgres, bus_url: str, bus_database: TestDatabase):
    bus = connect(bus_url, client_id="test")
    await bus.start()
    await bus.ensure_topics([Topic("case.events", 1)])
    postgres.execute(f"ALTER DATABASE {bus_database.name} ALLOW_CONNECTIONS false")
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{bus_database.name}'")

    async def refused() -> bool:
        try:
            await bus.publish([record(1)])
        except BusUnavailableError:
            return True
        return False

    await until(refused)
    postgres.execute(f"ALTER DATABASE {bus_database.name} ALLOW_CONNECTIONS true")
    await bus.publish([record(2)])
    await bus.stop()
