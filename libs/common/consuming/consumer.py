"""The consumer loop: a batch per partition in one transaction, nothing lost, nothing stuck behind a broken record.

Rules: the position is moved by compare-and-set in the handler's transaction, first, so
that a zombie stops there. What fails through no fault of the record (not yet, unreachable, database) is tried again
for ever; a poison record is parked for the operator (`parking`), in the transaction that moves past it; any
other failure of a single record counts, and the fifth parks it. A partition that waits holds up no other, and nothing
that goes wrong here ends the loop, let alone a door of the same process.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from libs.common.bus.port import (
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
from libs.common.consuming.handler import Handler, Reporter
from libs.common.consuming.inbox import ZombieError, advance, is_outage, positions
from libs.common.consuming.parking import Parking, noted
from libs.common.database.database import Bell, CommitUncertainError, Database
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import PARTITIONS_STUCK, label
from libs.common.outbox.outbox import append
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.running.health import Conditions

__all__ = ["Consumer", "Handler", "NotYetError", "PoisonRecordError"]

ATTEMPTS_MAX = 5
BACKOFF_MIN_S = 0.02
BACKOFF_MAX_S = 1.0


class Consumer:
    """One member of the group, for one service's database.

    `horizon`: a record that has lain on the bus for longer is parked as `too_old`, never handled (docs/fence.md).
    """

    def __init__(
        self,
        bus: Bus,
        database: Database,
        group: str,
        topics: Sequence[str],
        *,
        handler: Handler,
        parking: Parking,
        bell: Bell | None = None,
        horizon: timedelta | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        self._database = database
        self._handler = handler
        self._parking, self._horizon = parking, horizon
        self._conditions = conditions or Conditions()
        self._bell = bell or Bell(database)
        self._own_bell = bell is None
        self._join: Callable[[], BusConsumer] = partial(bus.consumer, group, topics, self._position)
        self._group, self._name = group, f"consumer:{group}"
        self._member, self._started = self._join(), False
        self._positions: dict[Place, int] = {}
        self._waiting: dict[Place, float] = {}  # until when, on the monotonic clock
        self._held: dict[Place, Sequence[Delivery]] = {}  # what to try again then; without: read it again
        self._failures: defaultdict[Place, int] = defaultdict(int)
        self._attempts: defaultdict[tuple[Place, int], int] = defaultdict(int)

    async def run(self) -> None:
        """Consume for ever; end by cancelling. What is in a transaction's commit is finished first."""
        delay_s = 0.0
        try:
            while True:
                try:
                    if not self._started:
                        await self._member.start()
                        self._started = True
                    await self._round()
                    delay_s = 0.0
                    self._conditions.end(self._name)
                    self._conditions.bus_reached(self._group)
                except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on: it waits, and is seen
                    get_logger().warning("consumer_waits", group=self._group, exc_info=True)
                    self._note(error)
                    delay_s = min(BACKOFF_MAX_S, max(BACKOFF_MIN_S, 2 * delay_s))
                    await asyncio.sleep(delay_s)
                    if not self._started or not is_outage(error):
                        await self._join_anew()
        finally:
            await self._member.stop()
            if self._own_bell:
                await self._bell.close()

    def _note(self, error: Exception) -> None:
        """Say why no round is finished. A database that is away makes the process unready, so it needs no alarm."""
        if isinstance(error, BusUnavailableError):
            self._conditions.bus_away(self._group)
        elif is_outage(error):
            self._conditions.begin(self._name, "unavailable")
        elif self._conditions.begin(self._name, "broken"):
            raise_alarm_later(AlarmCode.LOOP_BROKEN, about=self._name)

    async def _join_anew(self) -> None:
        """After what nobody foresaw: a new member, which begins where the database says."""
        with suppress(Exception):
            await self._member.stop()
        self._member, self._started = self._join(), False
        self._held.clear()
        self._waiting.clear()

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
        due = [place for place, until in self._waiting.items() if until <= now]
        for place in due:
            if place not in self._held:
                self._member.rewind(*place, await self._position(*place))
        for place in due:  # nothing is taken out of hand before all that can fail is done
            self._waiting.pop(place, None)
        return {place: self._held.pop(place) for place in due if place in self._held}

    async def _position(self, topic: str, partition: int) -> int:
        """Where our database says that this partition goes on; asked on every assignment, so nothing is held over."""
        self._held.pop((topic, partition), None)
        async with self._database.read() as session:
            offset = (await positions(session, topic)).get(partition, 0)
        self._positions[topic, partition] = offset
        return offset

    async def _batch(self, place: Place, batch: Sequence[Delivery]) -> None:
        """In transactions of many records, or of one where the handler says so, or where a record is at fault."""
        done = 0
        for part in _parts(batch, self._handler):
            if failure := await self._part(place, part):
                error, handled = failure
                self._wait(place, error, batch[done + handled :])
                return
            done += len(part)
        self._failures.pop(place, None)
        self._conditions.end(_name(place))
        self._measure(place[0])

    async def _part(self, place: Place, part: Sequence[Delivery]) -> tuple[Exception, int] | None:
        """None when all of it is done; else why not, and how many of its records are."""
        if len(part) > 1:
            try:
                await self._apply(place, part)
            except Exception as error:  # noqa: BLE001 - sorted by is_outage, and never swallowed: it waits or counts
                if is_outage(error):
                    return error, 0
            else:
                return None
        for nth, delivery in enumerate(part):
            if failure := await self._single(place, delivery):
                return failure, nth
        return None

    async def _single(self, place: Place, delivery: Delivery) -> Exception | None:
        """One record in one transaction: handled or parked, or why it is to be tried again."""
        tries = (place, delivery.offset)
        try:
            await self._apply(place, [delivery])
        except PoisonRecordError as error:
            return await self._park(place, delivery, error.reason)
        except Exception as error:  # noqa: BLE001 - as above
            if not is_outage(error):
                self._attempts[tries] += 1
                if self._attempts[tries] >= ATTEMPTS_MAX:
                    get_logger().error("record_unhandled", topic=place[0], partition=place[1], exc_info=True)
                    return await self._park(place, delivery, "unhandled")
            return error
        self._attempts.pop(tries, None)
        return None

    async def _apply(self, place: Place, batch: Sequence[Delivery]) -> None:
        admitted = [self._admitted(delivery) for delivery in batch]
        prepared = await self._handler.prepare(admitted)
        next_offset = batch[-1].offset + 1
        async with self._database.write() as session:
            await advance(session, *place, expected=self._positions[place], next_offset=next_offset)
            await self._handler.handle(session, admitted, prepared)
        self._positions[place] = next_offset

    def _admitted(self, delivery: Delivery) -> Delivery:
        """`delivery` as the handler gets it. Raises PoisonRecordError for one that is forged or too old."""
        admitted = self._parking.admitted(delivery)
        if self._horizon is not None and admitted.arrived < datetime.now(UTC) - self._horizon:
            raise PoisonRecordError("too_old")
        return admitted

    async def _park(self, place: Place, delivery: Delivery, reason: str) -> Exception | None:
        """Leave the record to the operator and move on: whole, or a stub where the database refuses it whole."""
        with suppress(PoisonRecordError):  # a forged statement goes along with what it came on
            delivery = self._parking.admitted(delivery)
        now = datetime.now(UTC)
        letter = self._parking.letter(delivery, reason, now)
        error = await self._put_aside(place, delivery, letter, report=reason)
        stub = self._parking.stub(delivery, reason, now)
        for instead in (letter, stub):  # without a report, then without bytes
            if error is not None and not is_outage(error):
                get_logger().error("record_parked_in_part", **_where(place), exc_info=error)
                error = await self._put_aside(place, delivery, instead)
        if error is None:
            self._attempts.pop((place, delivery.offset), None)
            noted(letter)
            get_logger().error("record_parked", **_where(place), offset=delivery.offset, reason=reason)
        return error

    async def _put_aside(
        self, place: Place, delivery: Delivery, letter: OutgoingRecord, *, report: str | None = None
    ) -> Exception | None:
        next_offset = delivery.offset + 1
        try:
            async with self._database.write() as session:
                await advance(session, *place, expected=self._positions[place], next_offset=next_offset)
                await append(session, [letter])
                if report is not None and isinstance(self._handler, Reporter):
                    await self._handler.parked(session, delivery, report)
        except Exception as error:  # noqa: BLE001 - handed to the caller, who waits
            return error
        self._positions[place] = next_offset
        return None

    def _wait(self, place: Place, error: Exception, batch: Sequence[Delivery]) -> None:
        """Try `batch` again soon; read it anew, which costs a long poll, only where the position is uncertain."""
        if not isinstance(error, ZombieError | CommitUncertainError):
            self._held[place] = batch
            if self._conditions.begin(_name(place), "stuck"):
                raise_alarm_later(AlarmCode.PARTITION_STUCK, about=_name(place))
        self._failures[place] += 1
        delay_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2 ** min(10, self._failures[place] - 1))
        self._waiting[place] = time.monotonic() + delay_s
        if isinstance(error, ZombieError):  # it is another's now
            self._conditions.end(_name(place))
        self._measure(place[0])
        get_logger().info("partition_waits", **_where(place), error=type(error).__name__, delay_ms=delay_s * 1000)

    def _measure(self, topic: str) -> None:
        stuck = [name for name in self._conditions.lasting() if name.startswith(f"{topic}/")]
        PARTITIONS_STUCK.labels(label(topic)).set(len(stuck))


def _parts(batch: Sequence[Delivery], handler: Handler) -> Iterator[Sequence[Delivery]]:
    """`batch` in order: runs of records that go together, and each that goes alone."""
    for is_alone, run in groupby(batch, handler.alone):
        together = list(run)
        yield from ([one] for one in together) if is_alone else [together]


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"


def _where(place: Place) -> Mapping[str, Any]:
    return {"topic": place[0], "partition": place[1]}
