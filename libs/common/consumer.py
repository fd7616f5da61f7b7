"""Takes records from the bus to a handler, one transaction per partition batch, and never loses one.

Rules (system.md §6): the position moves by compare-and-set in the handler's transaction, first, so that a zombie
stops there. What fails through no fault of the record (not yet, unreachable, database) is tried again for ever;
a poison record is parked on `<topic>.dead-letter` with the reason, in the transaction that moves past it; any other
failure of a single record counts, and the fifth parks it. A partition that waits holds up no other.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from libs.common.bus import (
    FETCH_TIMEOUT_S,
    Bus,
    BusConsumer,
    BusUnavailableError,
    Delivery,
    NotYetError,
    OutgoingRecord,
    Place,
    PoisonRecordError,
)
from libs.common.database import Bell, CommitUncertainError, Database, WriteSession
from libs.common.inbox import ZombieError, advance, positions
from libs.common.log import get_logger
from libs.common.messages import DEAD_LETTER_SUFFIX
from libs.common.outbox import append

__all__ = ["Consumer", "Handler", "NotYetError", "PoisonRecordError"]

ATTEMPTS_MAX = 5
BACKOFF_MIN_S = 0.02
BACKOFF_MAX_S = 1.0
_RECORDS_FAULT = frozenset({"22", "23", "42"})  # SQLSTATE classes: data, integrity, syntax or access


class Handler(Protocol):
    """What a service does with records. Both calls may be repeated for the same deliveries."""

    async def prepare(self, deliveries: Sequence[Delivery]) -> Any:
        """Outside any transaction; may ask other services. Raises `NotYetError`, `PoisonRecordError`."""
        ...

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: Any) -> None:
        """All effects, in the transaction that moves the position. Raises `PoisonRecordError`."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """A handler that also keeps why a record was parked. It must take a record of any bytes."""

    async def parked(self, session: WriteSession, delivery: Delivery, reason: str) -> None:
        """In the transaction that parks the record."""
        ...


class Consumer:
    """One member of the group, for one service's database. `service` goes on what is parked."""

    def __init__(
        self,
        bus: Bus,
        database: Database,
        group: str,
        topics: Sequence[str],
        *,
        handler: Handler,
        service: str,
        bell: Bell | None = None,
    ) -> None:
        self._database = database
        self._handler = handler
        self._service = service
        self._bell = bell or Bell(database)
        self._own_bell = bell is None
        self._member: BusConsumer = bus.consumer(group, topics, self._position)
        self._positions: dict[Place, int] = {}
        self._waiting: dict[Place, float] = {}  # until when, on the monotonic clock
        self._held: dict[Place, Sequence[Delivery]] = {}  # what to try again then; without: read it again
        self._failures: defaultdict[Place, int] = defaultdict(int)
        self._attempts: defaultdict[tuple[Place, int], int] = defaultdict(int)

    async def run(self) -> None:
        """Consume for ever; end by cancelling. What is in a transaction's commit is finished first."""
        delay_s = 0.0
        started = False
        try:
            while True:
                try:
                    if not started:
                        await self._member.start()
                        started = True
                    await self._round()
                    delay_s = 0.0
                except Exception as error:
                    if not _is_outage(error):
                        raise
                    get_logger().warning("consumer_waits", exc_info=True)
                    delay_s = min(BACKOFF_MAX_S, max(BACKOFF_MIN_S, 2 * delay_s))
                    await asyncio.sleep(delay_s)
        finally:
            await self._member.stop()
            if self._own_bell:
                await self._bell.close()

    async def _round(self) -> None:
        # What was held is tried before the fetch, which may bring a new assignment and with it a new position.
        await self._handle(await self._due())
        now = time.monotonic()
        timeout_s = min([FETCH_TIMEOUT_S, *(max(0.0, due - now) for due in self._waiting.values())])
        deliveries = await self._member.fetch(timeout_s=timeout_s, skip=tuple(self._waiting))
        ordered = sorted(deliveries, key=lambda d: (d.topic, d.partition, d.offset))
        await self._handle({place: list(batch) for place, batch in groupby(ordered, lambda d: (d.topic, d.partition))})

    async def _handle(self, batches: dict[Place, Sequence[Delivery]]) -> None:
        await asyncio.gather(*(self._batch(place, batch) for place, batch in batches.items()))
        if batches:
            self._bell.ring()
            await self._member.report({place: self._positions[place] for place in batches})

    async def _due(self) -> dict[Place, Sequence[Delivery]]:
        """What was held and is to be tried now. Where nothing was, the bus goes back to where the database says."""
        now = time.monotonic()
        due: dict[Place, Sequence[Delivery]] = {}
        for place in [place for place, until in self._waiting.items() if until <= now]:
            if place in self._held:
                due[place] = self._held.pop(place)
            else:
                offset = await self._position(*place)
                self._member.rewind(*place, offset)
            self._waiting.pop(place, None)
        return due

    async def _position(self, topic: str, partition: int) -> int:
        """Where our database says that this partition goes on; asked on every assignment, so nothing is held over."""
        self._held.pop((topic, partition), None)
        async with self._database.read() as session:
            offset = (await positions(session, topic)).get(partition, 0)
        self._positions[topic, partition] = offset
        return offset

    async def _batch(self, place: Place, batch: Sequence[Delivery]) -> None:
        """The whole batch in one transaction; where a record is at fault, one record each."""
        try:
            await self._apply(place, batch)
        except Exception as error:  # noqa: BLE001 - sorted by _is_outage, and never swallowed: it waits or counts
            if _is_outage(error):
                self._wait(place, error, batch)
                return
            for nth, delivery in enumerate(batch):
                if failure := await self._single(place, delivery):
                    self._wait(place, failure, batch[nth:])
                    return
        self._failures.pop(place, None)

    async def _single(self, place: Place, delivery: Delivery) -> Exception | None:
        """One record in one transaction: handled or parked, or why it is to be tried again."""
        tries = (place, delivery.offset)
        try:
            await self._apply(place, [delivery])
        except PoisonRecordError as error:
            return await self._park(place, delivery, error.reason)
        except Exception as error:  # noqa: BLE001 - as above
            if not _is_outage(error):
                self._attempts[tries] += 1
                if self._attempts[tries] >= ATTEMPTS_MAX:
                    del self._attempts[tries]
                    get_logger().error("record_unhandled", topic=place[0], partition=place[1], exc_info=True)
                    return await self._park(place, delivery, "unhandled")
            return error
        self._attempts.pop(tries, None)
        return None

    async def _apply(self, place: Place, batch: Sequence[Delivery]) -> None:
        prepared = await self._handler.prepare(batch)
        next_offset = batch[-1].offset + 1
        async with self._database.write() as session:
            await advance(session, *place, expected=self._positions[place], next_offset=next_offset)
            await self._handler.handle(session, batch, prepared)
        self._positions[place] = next_offset

    async def _park(self, place: Place, delivery: Delivery, reason: str) -> Exception | None:
        """Leave the record, as it came, to the operator, and move on."""
        try:
            async with self._database.write() as session:
                next_offset = delivery.offset + 1
                await advance(session, *place, expected=self._positions[place], next_offset=next_offset)
                await append(session, [_dead_letter(self._service, delivery, reason)])
                if isinstance(self._handler, Reporter):
                    await self._handler.parked(session, delivery, reason)
        except Exception as error:
            if not _is_outage(error):
                raise
            return error
        self._positions[place] = next_offset
        get_logger().error("record_parked", topic=place[0], partition=place[1], offset=delivery.offset, reason=reason)
        return None

    def _wait(self, place: Place, error: Exception, batch: Sequence[Delivery]) -> None:
        """Try `batch` again soon; read it anew, which costs a long poll, only where the position is uncertain."""
        if not isinstance(error, ZombieError | CommitUncertainError):
            self._held[place] = batch
        self._failures[place] += 1
        delay_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2 ** min(10, self._failures[place] - 1))
        self._waiting[place] = time.monotonic() + delay_s
        get_logger().info(
            "partition_waits", topic=place[0], partition=place[1], error=type(error).__name__, delay_ms=delay_s * 1000
        )


def _dead_letter(service: str, delivery: Delivery, reason: str) -> OutgoingRecord:
    """The record as it came, and why and from where; never more personal data than the source."""
    facts = {
        "reason": reason,
        "service": service,
        "topic": delivery.topic,
        "partition": str(delivery.partition),
        "offset": str(delivery.offset),
        "timestamp": delivery.timestamp.isoformat(),
    }
    headers = (*delivery.headers, *((f"dl_{name}", value.encode()) for name, value in facts.items()))
    return OutgoingRecord(delivery.topic + DEAD_LETTER_SUFFIX, delivery.key, headers, delivery.value)


def _is_outage(error: BaseException) -> bool:
    """Whether time alone can help: nothing is wrong with the record."""
    waits = (NotYetError, ZombieError, BusUnavailableError, CommitUncertainError, OSError, PoolTimeoutError)
    if isinstance(error, waits):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        state = getattr(error.orig, "sqlstate", None)
    elif isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # asyncpg's DataError is both: an argument it cannot encode
    else:
        state = getattr(error, "sqlstate", None)
    return state is not None and state[:2] not in _RECORDS_FAULT
