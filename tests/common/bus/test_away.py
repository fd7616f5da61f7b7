"""A bus that is away is a named component and, when it lasts, an alarm of its own; it makes no process unready."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx2
import pytest

from libs.common.bus.opening import connect
from libs.common.bus.port import Bus, Delivery, NotYetError, Topic
from libs.common.consuming.consumer import Consumer
from libs.common.database.database import Database, clock
from libs.common.outbox.outbox import OutgoingRecord, append
from libs.common.outbox.relay import Relay
from libs.common.running import alarms
from libs.common.running.alarms import AlarmCode
from libs.common.running.health import Conditions
from libs.common.running.operations import Watch, bus_observer, listener
from libs.common.wire.messages import DEAD_LETTER_SUFFIX
from tests import servers
from tests.common.world.handling import Recorder, effects, publish
from tests.conftest import MakeTopic
from tests.operator import parking
from tests.servers import Postgres, TestDatabase
from tests.waiting import until

TOPIC, GROUP = "case.events", "g"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.common.running.health.STUCK_AFTER_S", 0.0)
    monkeypatch.setattr("libs.common.running.health.BUS_UNREACHABLE_AFTER_S", 0.0)


@asynccontextmanager
async def ready(database: Database, conditions: Conditions) -> AsyncIterator[httpx2.AsyncClient]:
    async def answers() -> None:
        async with database.read() as session:
            await clock(session)

    components = {"loops": conditions.component, "bus": conditions.bus}
    app = listener("test", {"database": answers}, components)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://operator.test") as http:
        yield http


async def components(http: httpx2.AsyncClient) -> Mapping[str, str]:
    answer = await http.get("/health/ready")
    assert answer.status_code == 200, "nothing of this makes a process unready"
    told: Mapping[str, str] = answer.json()["components"]
    return told


@asynccontextmanager
async def running(*loops: Consumer | Relay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


def consumer(bus: Bus, database: Database, topic: str, handler: Recorder, conditions: Conditions) -> Consumer:
    return Consumer(bus, database, GROUP, [topic], handler=handler, parking=parking(), conditions=conditions)


async def alarmed(database: Database, conditions: Conditions) -> set[tuple[AlarmCode, str]]:
    """What one look at the figures raises, and what was raised since the last."""
    await Watch(database, {"bus": bus_observer(conditions)}).look()
    return set(alarms._PENDING.take())


@pytest.mark.usefixtures("at_once")
async def test_a_bus_that_is_away_is_named_and_an_alarm_of_each_who_misses_it(
    postgres: Postgres, bus_url: str, bus_database: TestDatabase, database: Database
):
    bus, conditions = connect(bus_url, client_id="test"), Conditions()
    await bus.start()
    await bus.ensure_topics([Topic(TOPIC, 1), Topic(TOPIC + DEAD_LETTER_SUFFIX, 1)])
    relay = Relay(database, bus, producer="test", conditions=conditions)
    async with ready(database, conditions) as http:

        async def bus_is(code: str) -> bool:
            return (await components(http))["bus"] == code

        assert await bus_is("unknown"), "nobody has spoken with it yet"
        async with running(consumer(bus, database, TOPIC, Recorder(), conditions), relay):
            await until(lambda: bus_is("ok"))
            assert await alarmed(database, conditions) == set()
            _close(postgres, bus_database)
            async with database.write() as session:
                await append(session, [OutgoingRecord(TOPIC, "k", (), b"after")])
            expected = {(AlarmCode.BUS_UNREACHABLE, name) for name in ("relay", GROUP)}
            await until(lambda: _equal(alarmed(database, conditions), expected))
            assert await bus_is("unreachable")
            postgres.execute(f"ALTER DATABASE {bus_database.name} ALLOW_CONNECTIONS true")
            await until(lambda: bus_is("ok"))
            await until(lambda: _equal(effects(database), ["after"]))
            assert await alarmed(database, conditions) == set()
    await bus.stop()


@pytest.mark.usefixtures("at_once")
async def test_a_database_of_ones_own_that_is_away_is_no_bus_that_is_away(
    postgres: Postgres, bus: Bus, plain_database: TestDatabase, database: Database, make_topic: MakeTopic
):
    topic, conditions = await make_topic(), Conditions()
    _close(postgres, plain_database)
    async with running(consumer(bus, database, topic, Recorder(), conditions)):
        await until(lambda: _equal(conditions.component(), {f"consumer:{GROUP}": "unavailable"}))
        assert await conditions.bus() != "unreachable"
        assert not alarms._PENDING.take(), "an own database that is away makes the process unready: no alarm besides"
        postgres.execute(f"ALTER DATABASE {plain_database.name} ALLOW_CONNECTIONS true")
        await until(lambda: _equal(conditions.component(), {}))
        assert await conditions.bus() == "ok"


@pytest.mark.kafka
@pytest.mark.usefixtures("at_once")
async def test_a_killed_broker_is_away_although_aiokafka_says_nothing(tmp_path, database: Database):
    """Its consumer answers every fetch with nothing while it looks for the broker."""
    broker, conditions = servers.own_kafka(tmp_path), Conditions()
    bus = connect(f"kafka://{broker.bootstrap_servers}", client_id="test")
    await bus.start()
    await bus.ensure_topics([Topic(TOPIC, 1), Topic(TOPIC + DEAD_LETTER_SUFFIX, 1)])
    async with ready(database, conditions) as http, running(consumer(bus, database, TOPIC, Recorder(), conditions)):
        await until(lambda: _equal(conditions.bus(), "ok"))
        broker.kill()
        await until(lambda: _equal(conditions.bus(), "unreachable"))
        assert (await components(http))["bus"] == "unreachable"
        assert await alarmed(database, conditions) == {(AlarmCode.BUS_UNREACHABLE, GROUP)}
    await bus.stop()


@pytest.mark.usefixtures("at_once")
async def test_a_partition_that_waits_is_named_in_the_body_until_it_goes_on(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic, open_now, conditions = await make_topic(), asyncio.Event(), Conditions()

    async def waiting(_: Sequence[Delivery]) -> None:
        if not open_now.is_set():
            raise NotYetError

    await publish(bus, topic, "held")
    handler = Recorder(preparing=waiting)
    async with ready(database, conditions) as http, running(consumer(bus, database, topic, handler, conditions)):
        stuck = {"loops": "degraded", f"{topic}/0": "stuck", "bus": "ok"}
        await until(lambda: _equal(components(http), stuck))
        open_now.set()
        await until(lambda: _equal(components(http), {"loops": "ok", "bus": "ok"}))
    assert await effects(database) == ["held"]


def _close(postgres: Postgres, database: TestDatabase) -> None:
    postgres.execute(
        f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'",
    )


async def _equal(asked, wanted) -> bool:
    return await asked == wanted
