"""From a committed change to the bus: everything, in order, numbered without a gap."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from libs.common.bus.cloudevents import from_delivery
from libs.common.bus.port import Bus
from libs.common.database.database import Bell, Database
from libs.common.outbox.outbox import ALL_LANES, append, audit_message
from libs.common.outbox.relay import Relay
from libs.common.wire.messages import AUDIT_ENTRIES, CONSENT_EVENTS, LANES, AuditEntry, without_personal_numbers
from tests.common.world.relaying import NOW, assert_gap_free, drained, entry, event, everything, running, write
from tests.hostile import NUMBER
from tests.waiting import until


def test_an_audit_entry_goes_to_the_lane_of_the_person_it_is_about():
    person = uuid4()
    keys = {entry(person).key for _ in range(5)}
    assert len(keys) == 1
    assert len({entry(uuid4()).key for _ in range(200)}) == LANES
    assert len({entry().key for _ in range(200)}) == LANES  # about nobody: spread by its own id


@pytest.mark.parametrize(
    "changed",
    [
        {"actor": f"u{NUMBER}"},
        {"reason": f"evt{NUMBER}"},
        {"correlation_id": f"ref{NUMBER}"},
        {"objects": {"event_id": f"x{NUMBER}y", "version": "1"}},
        {"objects": {f"sag{NUMBER}": "x"}},
    ],
)
def test_a_number_that_came_past_the_doors_does_not_come_onto_the_bus(changed: dict[str, Any]):
    said = {"subject": uuid4(), "actor": "bif101", "actor_role": "caseworker", "occurred_at": NOW}
    act = AuditEntry(id=uuid4(), type="consent.granted", action="C", outcome="success", **said).model_copy(
        update=changed
    )
    written = audit_message("consent", act).event
    assert NUMBER not in written.data.decode()
    assert "[masked]" in written.data.decode()
    assert NUMBER not in str(written.correlationid)


def test_ids_and_our_own_counts_go_onto_the_bus_as_they_are():
    objects = {"permit_id": "12345678-9012-4345-8901-123456789012", "revision": "1" + NUMBER * 2, "slot": "advis-1/api"}
    said = {
        "actor": "a" * 255,
        "actor_role": "service",
        "occurred_at": NOW,
        "correlation_id": NUMBER + "abcdef" * 3 + "ab00",
    }
    act = AuditEntry(id=uuid4(), type="consent.granted", action="C", outcome="success", objects=objects, **said)
    assert without_personal_numbers(act) is act


async def test_what_was_rolled_back_is_never_published(database: Database, topics: Bus):
    async def failing():
        async with database.write() as session:
            await append(session, [event("k", 1)])
            raise KeyError

    with pytest.raises(KeyError):
        await failing()
    await write(database, event("k", 2))
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    assert [d.value for d in await everything(topics, CONSENT_EVENTS)] == [b"2"]


async def test_an_event_reaches_the_bus_as_it_was_written(database: Database, topics: Bus):
    message = event("borger", 1)
    await write(database, message)
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    (delivery,) = await everything(topics, CONSENT_EVENTS)
    assert delivery.key == "borger"
    assert from_delivery(delivery) == message.event


async def test_a_ring_publishes_at_once_and_silence_within_a_poll(database: Database, topics: Bus):
    bell = Bell()
    async with running(Relay(database, topics, producer="consent", bell=bell)):
        await until(lambda: _owned(database))
        await write(database, event("k", 1))
        bell.ring()
        await drained(database)
        await write(database, event("k", 2))  # nobody rings
        await drained(database)
    assert len(await everything(topics, CONSENT_EVENTS)) == 2


async def test_a_ring_in_another_process_is_heard(database: Database, topics: Bus):
    here, there = Bell(), Bell(database)
    async with running(Relay(database, topics, producer="consent", bell=here)):
        await until(lambda: _owned(database))
        await write(database, event("k", 1))
        there.ring()
        await drained(database)
    await there.close()


async def _owned(database: Database) -> bool:
    async with database.read() as session:
        held = await session.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"))
        return held.scalar_one() > ALL_LANES


async def test_concurrent_writers_lose_nothing_and_every_lane_is_gap_free(database: Database, topics: Bus):
    people = [uuid4() for _ in range(40)]

    async def writer(number: int) -> None:
        for step in range(10):
            await write(database, entry(people[(number * 7 + step) % 40]), event(f"key-{number}", step))

    async with running(Relay(database, topics, producer="consent")):
        await asyncio.gather(*(writer(number) for number in range(8)))
        await drained(database)
    entries = await everything(topics, AUDIT_ENTRIES)
    assert len(entries) == 80
    assert_gap_free(entries)
    events = await everything(topics, CONSENT_EVENTS)
    for number in range(8):
        assert [int(d.value) for d in events if d.key == f"key-{number}"] == list(range(10))


async def test_a_row_that_commits_late_with_an_early_id_is_not_skipped(database: Database, topics: Bus):
    person = uuid4()
    release = asyncio.Event()
    appended = asyncio.Event()

    async def late() -> None:
        async with database.write() as session:
            await append(session, [entry(person), event("k", 1)])
            appended.set()
            while not release.is_set():
                await session.execute(text("SELECT pg_sleep(0.05)"))  # never idle, or the server would end it

    bell = Bell()
    async with running(Relay(database, topics, producer="consent", bell=bell)):
        writing = asyncio.create_task(late())
        await appended.wait()
        await write(database, entry(person), event("k", 2))
        bell.ring()
        await until(lambda: _published(topics, 1))
        release.set()
        await writing
        await drained(database)
    assert sorted(d.value for d in await everything(topics, CONSENT_EVENTS)) == [b"1", b"2"]
    entries = await everything(topics, AUDIT_ENTRIES)
    assert len(entries) == 2
    assert_gap_free(entries)


async def _published(bus: Bus, count: int) -> bool:
    return len(await everything(bus, CONSENT_EVENTS)) >= count
