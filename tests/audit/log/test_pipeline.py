"""From an outbox to the log over a real bus: nothing twice, nothing lost, whatever dies on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx2
import pytest

from libs.common.bus.port import Bus, Delivery, Topic
from libs.common.consuming.consumer import Consumer
from libs.common.database.database import Bell, Database, WriteSession
from libs.common.outbox.outbox import append, audit_message
from libs.common.outbox.relay import Relay
from libs.common.wire.messages import AUDIT_ENTRIES, LANES
from services.audit.keys.keyring import Keyring
from services.audit.keys.vault import Vault
from services.audit.log.consumer import GROUP, EntryHandler
from services.audit.log.maker import LeafMaker
from services.audit.settings import Settings
from tests.audit.world.doors import bearer, door
from tests.audit.world.records import MORTEN, an_entry, require_whole, rows
from tests.operator import parking

PARTITIONS = 4
DEADLINE_S = 40


@pytest.fixture
async def topics(embedded_bus: Bus) -> None:
    await embedded_bus.ensure_topics([Topic(AUDIT_ENTRIES, PARTITIONS), Topic(f"{AUDIT_ENTRIES}.dead-letter", 1)])


@asynccontextmanager
async def running(*loops: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.02)


def consumer(bus: Bus, database: Database, handler: Any) -> Consumer:
    return Consumer(bus, database, GROUP, [AUDIT_ENTRIES], handler=handler, parking=parking("audit"), bell=Bell())


async def emit(database: Database, count: int) -> None:
    """Entries about many people, as any service writes them: in its own outbox, which here is audit's."""
    async with database.write() as session:
        await append(session, [audit_message("audit", an_entry(subject=UUID(int=n % 37 + 1))) for n in range(count)])


async def count(database: Database) -> int:
    return int((await rows(database, "SELECT count(*) AS n FROM leaf"))[0].n)


async def require_each_once(database: Database, total: int) -> None:
    found = await require_whole(database)
    assert len(found) == total
    for lane in range(LANES):
        numbers = sorted(leaf["number"] for leaf in found if leaf["lane"] == lane)
        assert numbers == list(range(1, len(numbers) + 1))


async def test_entries_of_an_outbox_become_leaves_each_once(
    embedded_bus: Bus, topics: None, database: Database, handler: EntryHandler
) -> None:
    await emit(database, 700)
    relay = Relay(database, embedded_bus, producer="audit")
    async with running(relay.run, consumer(embedded_bus, database, handler).run):

        async def all_in() -> bool:
            return await count(database) == 700

        await until(all_in)
    await require_each_once(database, 700)


class Dying:
    """A handler that dies at each kind of moment in turn, its transaction with it."""

    def __init__(self, inner: EntryHandler) -> None:
        self._inner = inner
        self._calls = 0

    def alone(self, delivery: Delivery) -> bool:
        return self._inner.alone(delivery)

    async def prepare(self, deliveries: Sequence[Delivery]) -> Any:
        self._calls += 1
        if self._calls % 4 == 1:
            raise OSError("before")
        return await self._inner.prepare(deliveries)

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: Any) -> None:
        if self._calls % 4 == 2:
            raise OSError("before writing")
        await self._inner.handle(session, deliveries, prepared)
        if self._calls % 4 == 3:
            raise OSError("after writing, before the commit")


async def test_two_consumers_that_die_at_every_moment_lose_and_repeat_nothing(
    embedded_bus: Bus, topics: None, database: Database, maker: LeafMaker, vault: Vault
) -> None:
    relay = Relay(database, embedded_bus, producer="audit")
    handlers = [Dying(EntryHandler(database, maker, Keyring(vault), parking("audit"))) for _ in range(2)]
    async with running(relay.run, *(consumer(embedded_bus, database, one).run for one in handlers)):
        for _ in range(5):
            await emit(database, 60)

        async def all_in() -> bool:
            return await count(database) == 300

        await until(all_in)
    await require_each_once(database, 300)


async def test_the_bus_read_again_from_the_beginning_changes_nothing(
    embedded_bus: Bus, topics: None, database: Database, handler: EntryHandler, postgres: Any, audit_database: Any
) -> None:
    """As after a restore of the positions alone: redelivery of everything, under the same numbers."""
    await emit(database, 100)
    relay = Relay(database, embedded_bus, producer="audit")

    async def caught_up() -> bool:
        found = await rows(database, "SELECT coalesce(sum(next_offset), 0) AS n FROM bus_position")
        return int(found[0].n) == 100

    async with running(relay.run, consumer(embedded_bus, database, handler).run):
        await until(caught_up)
    postgres.execute("DELETE FROM bus_position", database=audit_database.name)
    async with running(consumer(embedded_bus, database, handler).run):
        await until(caught_up)
    await require_each_once(database, 100)


async def test_a_search_becomes_an_entry_that_the_next_search_finds(
    embedded_bus: Bus, topics: None, database: Database, handler: EntryHandler, settings: Settings
) -> None:
    relay = Relay(database, embedded_bus, producer="audit")
    officer = bearer("dpo", subject="kk901")

    async def searches(client: httpx2.AsyncClient) -> list[Any]:
        query = {"subject": str(MORTEN), "type": "entries.searched"}
        answer = await client.get("/v1/entries", params=query, headers=officer)
        return list(answer.json()["items"])

    async with door(settings) as client, running(relay.run, consumer(embedded_bus, database, handler).run):
        assert await searches(client) == []

        async def found() -> bool:
            return await count(database) > 0

        await until(found)
        (first, *_) = await searches(client)
    assert first["opened"]["actor"] == "kk901"
    assert first["leaf"]["producer"] == "audit"
