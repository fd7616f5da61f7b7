"""What the consumer tests share: a handler whose effects are rows, and what is left to look at."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from libs.common.bus.port import Bus, Delivery, OutgoingRecord
from libs.common.consuming.consumer import Consumer
from libs.common.consuming.inbox import first_seen_of, positions
from libs.common.database.database import Database, WriteSession
from tests.operator import opened_row, parking, reason_in

Step = Callable[[Sequence[Delivery]], Awaitable[None]]


async def nothing(deliveries: Sequence[Delivery]) -> None:
    """The step that changes nothing."""


class Recorder:
    """One row in `effect` per new record, deduplicated by the inbox. The steps are where a test interferes."""

    def __init__(self, *, preparing: Step = nothing, before: Step = nothing, after: Step = nothing) -> None:
        self.preparing = preparing
        self.before = before
        self.after = after
        self.handled: list[str] = []

    def alone(self, delivery: Delivery) -> bool:
        return b"alone" in delivery.value

    async def prepare(self, deliveries: Sequence[Delivery]) -> str:
        await self.preparing(deliveries)
        return "prepared"

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: str) -> None:
        assert prepared == "prepared"
        await self.before(deliveries)
        new = await first_seen_of(session, [("test", delivery.value.decode()) for delivery in deliveries])
        for _, identity in sorted(new):
            await session.execute(text("INSERT INTO effect (id) VALUES (:id)"), {"id": identity})
        await self.after(deliveries)
        self.handled += [delivery.value.decode() for delivery in deliveries]


@asynccontextmanager
async def consuming(
    bus: Bus, database: Database, topic: str, handler: Recorder, horizon: timedelta | None = None
) -> AsyncIterator[Consumer]:
    consumer = Consumer(bus, database, f"g-{topic}", [topic], handler=handler, parking=parking(), horizon=horizon)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), outcome


async def publish(bus: Bus, topic: str, *values: object, key: str = "k") -> None:
    await bus.publish([OutgoingRecord(topic, key, (), str(value).encode()) for value in values])


async def effects(database: Database) -> list[str]:
    async with database.read() as session:
        return sorted((await session.execute(text("SELECT id FROM effect"))).scalars())


async def position(database: Database, topic: str, partition: int = 0) -> int:
    async with database.read() as session:
        return (await positions(session, topic)).get(partition, 0)


async def letters(database: Database) -> list[Any]:
    """The rows of the outbox that wait for a dead-letter topic."""
    query = "SELECT topic, key, headers, payload FROM outbox WHERE topic LIKE '%dead-letter' ORDER BY id"
    async with database.read() as session:
        return list(await session.execute(text(query)))


async def parked(database: Database) -> list[tuple[str, str, str]]:
    """(topic, value, reason) of what waits in the outbox for a dead-letter topic, opened."""
    return [(row.topic, opened_row(row).value.decode(), reason_in(row)) for row in await letters(database)]
