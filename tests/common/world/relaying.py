"""What the tests of outbox and relay share: messages, a way to die, and what must hold on the bus afterwards."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import text

from libs.common.bus.cloudevents import CloudEvent, from_delivery
from libs.common.bus.port import Bus, Delivery, OutgoingRecord
from libs.common.database.database import Database
from libs.common.outbox.outbox import Message, append, audit_message
from libs.common.outbox.relay import Relay
from libs.common.wire.messages import CONSENT_EVENTS, AuditEntry
from tests.waiting import until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(key: str, number: int) -> Message:
    data = str(number).encode()
    return Message(CONSENT_EVENTS, key, CloudEvent(f"{key}-{number}", "urn:test:relay", "samtykke.afgivet", NOW, data))


def entry(subject: UUID | None = None) -> Message:
    act = AuditEntry(
        id=uuid4(), type="consent.granted", action="C", outcome="success", occurred_at=NOW,
        subject=subject, actor="citizen", actor_role="citizen",
    )  # fmt: skip
    return audit_message("consent", act)


class DyingBus:
    """The process's way to the bus, on which it dies: before, in the middle of, or after what it was to publish."""

    def __init__(self, bus: Bus, share: float) -> None:
        self._bus = bus
        self._share = share
        self.died = asyncio.Event()

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        await self._bus.publish(records[: round(len(records) * self._share)])
        self.died.set()
        await asyncio.Event().wait()  # whoever waits is killed


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def write(database: Database, *messages: Message) -> None:
    async with database.write() as session:
        await append(session, messages)


async def unsent(database: Database) -> int:
    query = (
        "SELECT count(*) FROM outbox o LEFT JOIN outbox_lane l USING (lane, generation)"
        " WHERE o.number IS NULL OR o.number > l.sent"
    )
    async with database.read() as session:
        return (await session.execute(text(query))).scalar_one()


async def drained(database: Database) -> None:
    async def empty() -> bool:
        return await unsent(database) == 0

    await until(empty, 60)


async def everything(bus: Bus, topic: str) -> list[Delivery]:
    """All that is on `topic` now, per partition in order."""

    async def from_zero(topic: str, partition: int) -> int:
        return 0

    consumer = bus.consumer(f"reader-{uuid4()}", [topic], from_zero)
    await consumer.start()
    seen: list[Delivery] = []
    while batch := await consumer.fetch(timeout_s=0.1):
        seen += batch
    await consumer.stop()
    return seen


def lanes(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], list[int]]:
    """(generation, lane) → numbers in order of arrival."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for delivery in deliveries:
        extensions = from_delivery(delivery).extensions
        assert extensions["producer"] == "consent"
        numbers[extensions["generation"], extensions["lane"]].append(int(extensions["number"]))
    return numbers


def first_occurrences(items: Sequence[object]) -> list[object]:
    return list(dict.fromkeys(items))


def assert_gap_free(deliveries: Sequence[Delivery]) -> None:
    for numbers in lanes(deliveries).values():
        assert first_occurrences(numbers) == list(range(1, max(numbers) + 1))
    identity = {(d.key, dict(d.headers)["ce_number"]): dict(d.headers)["ce_id"] for d in deliveries}
    for delivery in deliveries:  # a repeated record repeats its number
        headers = dict(delivery.headers)
        assert identity[delivery.key, headers["ce_number"]] == headers["ce_id"]
