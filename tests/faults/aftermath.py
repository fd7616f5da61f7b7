"""After the last fault: wait until all is quiet, look at every inbox to its end, and search for what was planted."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.cli.bus.topics import TOPICS as DECLARED
from libs.cli.verifying.audit_verify import LogUnreadableError, verify_log
from libs.common.bus.port import load_topics
from libs.common.database.database import FAILURES
from libs.common.wire.messages import DEAD_LETTER_SUFFIX
from tests.faults.actors import READERS, Company
from tests.faults.cast import GaveUpError, machine
from tests.faults.checker import QUIET_S
from tests.faults.evidence import Log
from tests.faults.habits import NAME_CANARY
from tests.faults.poison import CONSUMED, Parked, letters
from tests.faults.world import World

POLL_S = 0.3
_PARTITIONS = {topic.name: topic.partitions for topic in load_topics(DECLARED)}
READ_S = 20.0
CHECKPOINT_S = 20.0
_UNSENT = (
    "SELECT (SELECT count(*) FROM outbox WHERE number IS NULL)"
    " + (SELECT coalesce(sum(numbered - sent), 0) FROM outbox_lane)"
)
_IN_FLIGHT = (
    "SELECT (SELECT count(*) FROM permit WHERE state = 'open')"
    " + (SELECT count(*) FROM withdrawal WHERE drained_at IS NULL)"
)


async def until_quiet(world: World, deadline: float) -> str:
    """Waits until nothing is on its way; empty then, else what still was at `deadline` (monotonic seconds)."""
    quiet_looks = 0
    while True:
        try:
            left = await _on_its_way(world)
        except FAILURES as error:
            left = f"no look: {type(error).__name__}"
        quiet_looks = 0 if left else quiet_looks + 1
        if quiet_looks == 2:
            return ""
        if time.monotonic() > deadline:
            return left or "two quiet looks"
        await asyncio.sleep(POLL_S)


async def waiting(world: World) -> dict[str, float]:
    """How much is on its way now: rows not yet published, permits or withdrawals in flight."""
    found: dict[str, float] = {}
    for service in CONSUMED:
        session = await asyncpg.connect(world.database(service))
        try:
            found[f"{service}: unsent"] = float(await session.fetchval(_UNSENT))
            if service == "consent":
                found["permits and withdrawals in flight"] = float(await session.fetchval(_IN_FLIGHT))
        finally:
            await session.close()
    return found


async def bus_records(world: World) -> dict[str, float]:
    """How many records lie on the bus, and how many of them are parked ones."""
    found = {"bus records": 0.0, "parked": 0.0}
    async with _consumer(world) as consumer:
        every = [TopicPartition(topic, number) for topic, count in _PARTITIONS.items() for number in range(count)]
        first, ends = await consumer.beginning_offsets(every), await consumer.end_offsets(every)
        for place in every:
            kind = "parked" if place.topic.endswith(DEAD_LETTER_SUFFIX) else "bus records"
            found[kind] += ends[place] - first[place]
    return found


async def _on_its_way(world: World) -> str:
    async with _consumer(world) as consumer:
        for service, topics in CONSUMED.items():
            session = await asyncpg.connect(world.database(service))
            try:
                if unsent := await session.fetchval(_UNSENT):
                    return f"{unsent} records in {service}'s outbox"
                for topic in topics:
                    rows = await session.fetch(
                        "SELECT partition, next_offset FROM bus_position WHERE topic = $1", topic
                    )
                    behind = await _behind(consumer, topic, {row[0]: row[1] for row in rows})
                    if behind:
                        return f"{behind} records of {topic} that {service} has not read"
                if service == "consent" and (open_ones := await session.fetchval(_IN_FLIGHT)):
                    return f"{open_ones} permits or withdrawals in flight"
            finally:
                await session.close()
    return ""


@asynccontextmanager
async def _consumer(world: World) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(**world.kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _behind(consumer: AIOKafkaConsumer, topic: str, positions: Mapping[int, int]) -> int:
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places(consumer, topic))
    return sum(max(0, end - positions.get(place.partition, 0)) for place, end in ends.items())


def places(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Every partition of a topic as it was declared, assigned to this consumer from now on."""
    found = [TopicPartition(topic, number) for number in range(_PARTITIONS[topic])]
    consumer.assign(found)
    return found


async def final_inboxes(company: Company) -> dict[str, list[str]]:
    """Every open item of every unit, page after page, as its caseworker sees them. Raises GaveUpError."""
    return {unit: [item async for item in _items(company, reader)] for reader, unit in READERS.items()}


async def _items(company: Company, reader: str) -> AsyncIterator[str]:
    cursor = ""
    end = time.monotonic() + QUIET_S
    while time.monotonic() < end:
        page = await company.read(reader, f"?limit=100{cursor}")
        if page is None:  # a permit was refused between two calls, or consent is not back yet: ask again
            await asyncio.sleep(POLL_S)
            continue
        for item in page["items"]:
            yield item["notification_id"]
        if page["next"] is None:
            return
        cursor = f"&cursor={page['next']}"
    raise GaveUpError(f"the inbox of {reader} cannot be read to its end")


async def verified(world: World, http: httpx2.AsyncClient) -> Log:
    """The whole audit log, fetched and hashed again, once a checkpoint covers every leaf."""
    auditor = machine(http, world.system, "auditor", "audit")
    session = await asyncpg.connect(world.database("audit"))
    end = time.monotonic() + CHECKPOINT_S
    try:
        leaves = await session.fetchval("SELECT count(*) FROM leaf")
        while time.monotonic() < end:
            if (await session.fetchval("SELECT max(tree_size) FROM checkpoint") or 0) >= leaves:
                break
            await asyncio.sleep(POLL_S)
        verdict = await verify_log(world.system.urls["audit"], await auditor.token())
    except LogUnreadableError as error:
        return Log(0, (str(error),), ())
    finally:
        await session.close()
    return Log(verdict.leaves, verdict.findings, tuple(map(str, verdict.gaps)))


def canaries(world: World) -> list[bytes]:
    """Every value that was planted, in each form in which it was."""
    numbers = list(world.system.cpr_numbers.values())
    forms = [*numbers, *(f"{number[:6]}-{number[6:]}" for number in numbers), NAME_CANARY, NAME_CANARY.split()[0]]
    return [form.encode() for form in forms]


async def searched(world: World) -> tuple[list[str], dict[str, int], Mapping[Parked, int]]:
    """Where a canary was found, the bytes looked through by place, and how often each record was parked."""
    needles = canaries(world)
    found: list[str] = []
    sizes = {"topics": 0, "dead letters": 0, "doorbells": 0, "logs": 0}
    parked: list[Any] = []
    async with _consumer(world) as consumer:
        for topic in _PARTITIONS:
            place = "dead letters" if topic.endswith(DEAD_LETTER_SUFFIX) else "topics"
            async for record in _records(consumer, topic):
                text = b" ".join(
                    [record.key or b"", *(value or b"" for _, value in record.headers), record.value or b""]
                )
                sizes[place] += len(text)
                parked += [record] if place == "dead letters" else []
                found += [f"{topic}/{record.partition}/{record.offset}" for needle in needles if needle in text]
    for ring in world.receivers.rings:
        sizes["doorbells"] += len(ring.text)
        found += [f"doorbell {ring.webhook_id}" for needle in needles if needle in ring.text]
    for name, text in await asyncio.to_thread(lambda: [*_logs(world)]):
        sizes["logs"] += len(text)
        found += [f"log {name}: {_line(text, needle)}" for needle in needles if needle in text]
    return found, sizes, letters(parked)


def _logs(world: World) -> Iterable[tuple[str, bytes]]:
    for path in (*sorted(world.system.log_dir.glob("*.log")), *sorted(world.folder.glob("*/*.log"))):
        yield path.name, path.read_bytes()


def _line(text: bytes, needle: bytes) -> str:
    at = text.index(needle)
    return text[max(0, at - 120) : at + 40].decode(errors="replace")


async def _records(consumer: AIOKafkaConsumer, topic: str) -> AsyncIterator[Any]:
    found = places(consumer, topic)
    await consumer.seek_to_beginning(*found)
    ends = await consumer.end_offsets(found)
    left = {place for place in found if ends[place] > await consumer.position(place)}
    deadline = time.monotonic() + READ_S
    while left and time.monotonic() < deadline:
        for place, records in (await consumer.getmany(*left, timeout_ms=500)).items():
            for record in records:
                yield record
            if records and records[-1].offset + 1 >= ends[place]:
                left.discard(place)
