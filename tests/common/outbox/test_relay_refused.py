"""A row that the bus will never take is set aside or goes as a stub, and its lane goes on."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from libs.common.bus.port import RECORD_BYTES_MAX, Bus, OutgoingRecord, Topic
from libs.common.database.database import Database
from libs.common.outbox.outbox import append
from libs.common.outbox.relay import Relay
from libs.common.wire.messages import AUDIT_ENTRIES, CONSENT_EVENTS
from tests.common.world.relaying import drained, entry, event, everything, running, write
from tests.waiting import until

TOO_MUCH = b"x" * (RECORD_BYTES_MAX + 1)


async def put(database: Database, *records: OutgoingRecord) -> None:
    async with database.write() as session:
        await append(session, records)


async def refused(database: Database) -> list[tuple[Any, ...]]:
    async with database.read() as session:
        found = await session.execute(text("SELECT topic, refused FROM outbox WHERE refused IS NOT NULL ORDER BY id"))
        return [tuple(row) for row in found]


async def test_an_event_that_is_too_large_is_set_aside_and_what_is_behind_it_goes(database: Database, topics: Bus):
    await put(database, OutgoingRecord(CONSENT_EVENTS, "k", (), TOO_MUCH))
    await write(database, event("k", 2))
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    assert [delivery.value for delivery in await everything(topics, CONSENT_EVENTS)] == [b"2"]
    assert await refused(database) == [(CONSENT_EVENTS, "too_large")]


async def test_an_entry_that_is_too_large_goes_as_a_stub_with_its_number(database: Database, topics: Bus):
    person = uuid4()
    await write(database, entry(person), entry(person), entry(person))
    async with database.write() as session:
        await session.execute(
            text("UPDATE outbox SET payload = :much WHERE id = (SELECT min(id) + 1 FROM outbox)"), {"much": TOO_MUCH}
        )
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    entries = await everything(topics, AUDIT_ENTRIES)
    assert [bool(delivery.value) for delivery in entries] == [True, False, True]
    numbers = [dict(delivery.headers)["ce_number"] for delivery in entries]
    assert numbers == [b"1", b"2", b"3"]
    assert await refused(database) == []


async def test_a_topic_that_is_missing_for_long_holds_up_no_other_and_is_tried_again_at_the_next_start(
    database: Database, topics: Bus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("libs.common.outbox.relay.TOPIC_MISSING_S", 0.0)
    missing = f"missing-{uuid4().hex}"
    await put(database, OutgoingRecord(missing, "k", (), b"1"))
    await write(database, event("k", 2))
    async with running(Relay(database, topics, producer="consent")):
        await drained(database)
    assert [delivery.value for delivery in await everything(topics, CONSENT_EVENTS)] == [b"2"]
    assert await refused(database) == [(missing, "unknown_topic")]
    await topics.ensure_topics([Topic(missing, 1)])
    async with running(Relay(database, topics, producer="consent")):
        await until(lambda: _came(topics, missing))
    assert await refused(database) == []


async def _came(bus: Bus, topic: str) -> bool:
    return [delivery.value for delivery in await everything(bus, topic)] == [b"1"]
