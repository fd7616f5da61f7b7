"""Faults of the bus and of those who read it: storms of members, rewound positions, copies out of order, poison."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from libs.common.wire.messages import AUDIT_ENTRIES, CONSENT_EVENTS, HTTP_EVENTS
from tests.faults.aftermath import places
from tests.faults.evidence import NoEffectError
from tests.faults.poison import Header, Place, drawn

if TYPE_CHECKING:
    from tests.faults.faults import Scene

GROUPS = {"advis.case-events": HTTP_EVENTS, "advis.consent-events": CONSENT_EVENTS, "consent": HTTP_EVENTS}
POSITIONS = (("advis", HTTP_EVENTS), ("advis", CONSENT_EVENTS), ("consent", HTTP_EVENTS), ("audit", AUDIT_ENTRIES))
COPIES = 40
REWOUND = 60
PATIENCE_S = 20.0
POISON_S, AGAIN_S = 30.0, 0.5  # a broker that is killed is back within that
Outgoing = tuple[str, bytes | None, bytes | None, list[Header], int | None]  # topic, key, value, headers, partition


async def _storm(scene: "Scene", rng: random.Random) -> str:
    """Members that join, take partitions, do nothing with them, and leave."""
    joined = 0
    for _ in range(3):
        group, topic = rng.choice(sorted(GROUPS.items()))
        member = AIOKafkaConsumer(
            topic,
            **scene.world.kafka,
            group_id=group,
            enable_auto_commit=False,
            session_timeout_ms=6_000,
        )
        with suppress(KafkaError, OSError, TimeoutError):
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await member.start()
                    joined += 1
                    await asyncio.sleep(rng.uniform(0.2, 1.5))
            finally:
                await member.stop()
    if not joined:
        raise NoEffectError("no bus")
    return f"{joined} members came and went"


async def _second(scene: "Scene", rng: random.Random) -> str:
    """A second process of a consumer or a relay joins, works, and is gone again."""
    supervisor = scene.world.system.supervisor
    name = rng.choice(("advis-consumer", "advis-relay", "consent-consumer", "consent-relay", "audit-consumer"))
    program = supervisor.keepers[name].program
    second = replace(program, name=f"second {name}", log=scene.world.system.log_path(f"second-{name}"))
    supervisor.keep([second])
    try:
        await asyncio.sleep(rng.uniform(4.0, 8.0))
        if rng.random() < 0.5:
            with suppress(ProcessLookupError):
                await scene.world.system.kill(second.name)
    finally:
        await supervisor.keepers[second.name].stop()
        del supervisor.keepers[second.name]
    return name


async def _rewind(scene: "Scene", rng: random.Random) -> str:
    """A service's own position on the bus goes back, as in a restored database, and its consumer is killed."""
    service, topic = rng.choice(POSITIONS)
    query = "UPDATE bus_position SET next_offset = greatest(0, next_offset - 1 - (random() * $2)::int) WHERE topic = $1"
    with suppress(OSError, asyncpg.PostgresError):
        session = await asyncpg.connect(scene.world.database(service))
        try:
            scene.set_back[service] += 1
            said = f"{service} {topic}: {await session.execute(query, topic, REWOUND)}"
        finally:
            await session.close()
        with suppress(ProcessLookupError):  # a consumer that lives on meets its own position only at the next record
            await scene.world.system.kill(f"{service}-consumer")
        return said
    raise NoEffectError("no database")


async def _copies(scene: "Scene", rng: random.Random) -> str:
    """Records that were published once are published again, later and in another order."""
    topic = rng.choice((HTTP_EVENTS, HTTP_EVENTS, CONSENT_EVENTS, AUDIT_ENTRIES))
    try:
        async with asyncio.timeout(PATIENCE_S):
            records = await _some(scene, topic)
            rng.shuffle(records)
            copies: list[Outgoing] = [(topic, r.key, r.value, list(r.headers), r.partition) for r in records]
            await _publish(scene, copies)
    except (KafkaError, OSError) as error:
        raise NoEffectError(f"no bus: {error!r}") from None
    if not records:
        raise NoEffectError(f"nothing on {topic}")
    return f"{len(records)} records of {topic}"


async def _some(scene: "Scene", topic: str) -> list[Any]:
    consumer = AIOKafkaConsumer(**scene.world.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(places(consumer, topic))
        for place, end in ends.items():
            consumer.seek(place, max(0, end - 10))
        records: list[Any] = []
        for _ in range(5):
            batches = await consumer.getmany(timeout_ms=300, max_records=COPIES)
            records += [record for batch in batches.values() for record in batch]
        return records[:COPIES]
    finally:
        await consumer.stop()


async def _poison(scene: "Scene", rng: random.Random) -> str:
    """Records that nobody can ever handle, on every topic; what lies behind them must go on.

    The bus may be away just now, by another fault: a member that does not reach it gives up at once, so it begins anew.
    """
    left: list[Outgoing] = [(topic, *shape, None) for topic, shape in drawn(rng)]
    wanted, end, why = len(left), time.monotonic() + POISON_S, "too late"
    while left and time.monotonic() < end:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _publish(scene, left, scene.poisoned)
        except (KafkaError, OSError) as error:
            why = repr(error)
            await asyncio.sleep(AGAIN_S)
    if left:
        raise NoEffectError(f"{wanted - len(left)} of {wanted} records: {why}")
    return f"{wanted} records"


async def _publish(scene: "Scene", records: list[Outgoing], places: list[Place] | None = None) -> None:
    """One after the other; as soon as the bus has it, a record is no longer among `records`, and `places` has where."""
    producer = AIOKafkaProducer(**scene.world.kafka, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        while records:
            topic, key, value, headers, partition = records[0]
            at = await producer.send_and_wait(topic, value, key=key, headers=headers, partition=partition)
            del records[0]
            if places is not None:
                places.append((at.topic, at.partition, at.offset))
    finally:
        await producer.stop()


def every() -> Mapping[str, Callable[["Scene", random.Random], Awaitable[str]]]:
    """All of them by name."""
    return {"rebalance": _storm, "rival": _second, "rewind": _rewind, "copies": _copies, "poison": _poison}
