"""A position that has fallen off the bus is counted and an alarm; reading goes on where there is something to read."""

import asyncpg
import pytest

from libs.common.bus.port import Bus, OutgoingRecord, Topic, readable_from
from libs.common.observing.metrics import CONSUMER_LAG_RECORDS, RECORDS_LOST
from libs.common.running import alarms
from libs.common.running.alarms import AlarmCode
from libs.common.wire.messages import CONSENT_EVENTS
from tests.waiting import until

PLACE = (CONSENT_EVENTS, 0)
ALARM = (AlarmCode.RECORDS_LOST, f"{CONSENT_EVENTS}/0")


@pytest.mark.parametrize(
    ("position", "first", "end", "at", "lost"),
    [(0, 0, 0, 0, 0), (5, 0, 5, 5, 0), (5, 5, 9, 5, 0), (4, 5, 9, 5, 1), (0, 7, 7, 7, 7), (9, 0, 3, 0, 6)],
)
def test_a_position_is_on_the_bus_or_lost(position: int, first: int, end: int, at: int, lost: int):
    alarms._PENDING.take()
    before = RECORDS_LOST.labels(CONSENT_EVENTS)._value.get()
    assert readable_from(PLACE, position, first=first, end=end) == at
    assert RECORDS_LOST.labels(CONSENT_EVENTS)._value.get() == before + lost
    assert (ALARM in alarms._PENDING.take()) is (lost > 0)


async def test_what_the_embedded_bus_has_forgotten_is_never_skipped_silently(embedded_bus: Bus, bus_url: str):
    await embedded_bus.ensure_topics([Topic(CONSENT_EVENTS, 1)])
    await embedded_bus.publish([OutgoingRecord(CONSENT_EVENTS, "k", (), b"%d" % n) for n in range(10)])
    session = await asyncpg.connect(bus_url.replace("+asyncpg", ""))
    await session.execute('DELETE FROM bus_record WHERE "offset" < 6')
    await session.close()
    alarms._PENDING.take()

    async def start(_topic: str, _partition: int) -> int:
        return 2

    consumer = embedded_bus.consumer("g", [CONSENT_EVENTS], start)
    await consumer.start()
    read = await consumer.fetch()
    assert [delivery.offset for delivery in read] == [6, 7, 8, 9]
    assert alarms._PENDING.take()[ALARM] == 1
    await consumer.stop()


async def test_the_lag_is_shown_until_it_is_read(embedded_bus: Bus):
    await embedded_bus.ensure_topics([Topic(CONSENT_EVENTS, 1)])

    async def start(_topic: str, _partition: int) -> int:
        return 0

    consumer = embedded_bus.consumer("g", [CONSENT_EVENTS], start)
    await consumer.start()
    await consumer.fetch(timeout_s=0)
    await embedded_bus.publish([OutgoingRecord(CONSENT_EVENTS, "k", (), b"%d" % n) for n in range(10)])
    lag = CONSUMER_LAG_RECORDS.labels(*PLACE)._value

    async def shown() -> bool:
        await consumer.fetch(timeout_s=0, skip=[PLACE])
        return lag.get() == 10

    async def caught_up() -> bool:
        await consumer.fetch(timeout_s=0)
        return lag.get() == 0

    await until(shown)
    await until(caught_up)
    await consumer.stop()
