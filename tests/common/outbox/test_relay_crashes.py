"""A relay that dies at any point repeats records with the same numbers, and loses none."""

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from uuid import uuid4

import pytest
from sqlalchemy import text

from libs.common.bus.port import Bus, BusUnavailableError, OutgoingRecord
from libs.common.database.database import Database
from libs.common.database.shares import Shares
from libs.common.outbox.outbox import ALL_LANES, raise_generation
from libs.common.outbox.relay import Relay
from libs.common.wire.messages import AUDIT_ENTRIES, CONSENT_EVENTS
from tests.common.world.relaying import (
    DyingBus,
    assert_gap_free,
    drained,
    entry,
    event,
    everything,
    first_occurrences,
    lanes,
    running,
    write,
)
from tests.servers import ROOT, TestDatabase
from tests.waiting import until


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["before publishing", "half way", "before marking"])
async def test_a_relay_that_dies_repeats_and_never_loses_or_leaves_a_gap(database: Database, topics: Bus, share: float):
    people = [uuid4() for _ in range(30)]
    await write(database, *(entry(person) for person in people), *(event(f"key-{n % 5}", n) for n in range(30)))
    dying = DyingBus(topics, share)
    async with running(Relay(database, dying, producer="consent")):  # type: ignore[arg-type]
        await dying.died.wait()
    await write(database, *(entry(person) for person in people))
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    entries = await everything(topics, AUDIT_ENTRIES)
    assert len({dict(d.headers)["ce_id"] for d in entries}) == 60
    assert_gap_free(entries)
    events = await everything(topics, CONSENT_EVENTS)
    assert len(events) == 30 + round(30 * share) or share == 0.5
    for key in range(5):
        values = [int(d.value) for d in events if d.key == f"key-{key}"]
        assert first_occurrences(values) == sorted(set(values)) == list(range(key, 30, 5))


async def test_a_relay_whose_session_was_cut_before_its_commit_gave_no_number(database: Database, topics: Bus):
    await write(database, *(entry() for _ in range(20)))
    session = await database.connect_alone("relay")
    await session.execute("INSERT INTO outbox_lane (lane) SELECT generate_series(0, 31)")
    async with asyncio.timeout(10):
        transaction = session.transaction()
        await transaction.start()
        await session.execute("UPDATE outbox_lane SET numbered = numbered + 5")
        session.terminate()
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    assert_gap_free(await everything(topics, AUDIT_ENTRIES))


async def test_a_zombie_relay_only_repeats(database: Database, topics: Bus):
    """It numbered, lost its session without knowing, and publishes after its successor did."""
    people = [uuid4() for _ in range(20)]
    await write(database, *(entry(person) for person in people))
    paused, resume = asyncio.Event(), asyncio.Event()

    class Slow:
        async def publish(self, records: Sequence[OutgoingRecord]) -> None:
            paused.set()
            await resume.wait()
            await topics.publish(records)

    async with running(Relay(database, Slow(), producer="consent")):  # type: ignore[arg-type]
        await paused.wait()
        async with database.write() as session:
            await session.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test relay'")
            )
        async with running(Relay(database, topics, producer="consent")):
            await drained(database)
            await write(database, *(entry(person) for person in people))
            await drained(database)
            resume.set()
            await until(lambda: _entries(topics, 60))
            await drained(database)
    entries = await everything(topics, AUDIT_ENTRIES)
    assert len({dict(d.headers)["ce_id"] for d in entries}) == 40
    assert_gap_free(entries)


async def _entries(bus: Bus, count: int) -> bool:
    return len(await everything(bus, AUDIT_ENTRIES)) >= count


async def test_a_bus_that_is_away_is_waited_for(database: Database, topics: Bus):
    refusals = 3

    class Flaky:
        async def publish(self, records: Sequence[OutgoingRecord]) -> None:
            nonlocal refusals
            if refusals:
                refusals -= 1
                raise BusUnavailableError
            await topics.publish(records)

    await write(database, entry(), event("k", 1))
    async with running(Relay(database, Flaky(), producer="consent")):  # type: ignore[arg-type]
        await drained(database)
    assert_gap_free(await everything(topics, AUDIT_ENTRIES))
    assert len(await everything(topics, CONSENT_EVENTS)) == 1


async def test_two_relays_share_the_lanes_and_the_survivor_takes_the_rest(database: Database, topics: Bus):
    people = [uuid4() for _ in range(200)]
    async with running(Relay(database, topics, producer="consent")):
        async with running(Relay(database, topics, producer="consent")):
            await until(lambda: _balanced(database))
            await write(database, *(entry(person) for person in people))
            await drained(database)
        await write(database, *(entry(person) for person in people))
        await drained(database)
    entries = await everything(topics, AUDIT_ENTRIES)
    assert len(entries) == 400
    assert_gap_free(entries)


async def _balanced(database: Database) -> bool:
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        f" AND objid::bigint < {Shares._MEMBER} GROUP BY pid"
    )
    async with database.read() as session:
        return sorted((await session.execute(text(query))).scalars()) == [ALL_LANES // 2, ALL_LANES // 2]


async def test_a_new_generation_starts_at_one_and_carries_what_was_not_marked(database: Database, topics: Bus):
    person = uuid4()
    await write(database, entry(person), entry(person))
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    await write(database, entry(person))
    dying = DyingBus(topics, 1.0)
    async with running(Relay(database, dying, producer="consent")):  # type: ignore[arg-type]
        await dying.died.wait()
    async with database.write() as session:
        await raise_generation(session)
    await write(database, entry(person))
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    by_generation = {
        generation: numbers for (generation, _), numbers in lanes(await everything(topics, AUDIT_ENTRIES)).items()
    }
    assert by_generation == {"1": [1, 2, 3], "2": [1, 2]}


RELAY = """
    import asyncio, sys
    from libs.common.bus.opening import connect
    from libs.common.database.database import Database
    from libs.common.outbox.relay import Relay

    async def main():
        bus = connect(sys.argv[2], client_id="relay")
        await bus.start()
        await Relay(Database(sys.argv[1], application_name="relay"), bus, producer="consent").run()

    asyncio.run(main())
"""


async def test_relays_killed_at_random_moments_lose_nothing(
    database: Database, plain_database: TestDatabase, bus_url: str, topics: Bus
):
    """SIGKILL, five times, each in the middle of the work; every lane stays gap-free."""
    command = [sys.executable, "-c", textwrap.dedent(RELAY), plain_database.url, bus_url]
    total = 0
    for life in range(5):
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            before = len(await everything(topics, AUDIT_ENTRIES))
            for _ in range(20):
                await write(database, *(entry(uuid4()) for _ in range(25)))
                total += 25
            await until(lambda before=before, life=life: _entries(topics, before + 1 + 37 * life))
        finally:
            process.kill()
            process.wait()
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    entries = await everything(topics, AUDIT_ENTRIES)
    assert len({dict(d.headers)["ce_id"] for d in entries}) == total
    assert_gap_free(entries)
