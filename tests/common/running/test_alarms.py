"""An alarm is a log line, a metric and one open row; raised without a session it waits, and never without bound."""

import asyncio

import pytest

from libs.common.database.database import Database, driver
from libs.common.observing.metrics import ALARMS_OPEN, ALARMS_RAISED
from libs.common.running import alarms
from libs.common.running.alarms import PENDING_MAX, AlarmCode, flush, keep_flushing, raise_alarm, raise_alarm_later
from tests.waiting import until


async def rows(database: Database) -> list[tuple[str, str, int]]:
    async with database.read() as session:
        found = await driver(session).fetch("SELECT code, about, count FROM alarm ORDER BY alarm_id")
    return [tuple(row) for row in found]


async def test_an_alarm_is_counted_and_logged_once_each_time(database: Database, capsys: pytest.CaptureFixture[str]):
    before = ALARMS_RAISED.labels(AlarmCode.OUTBOX_BEHIND)._value.get()
    for _ in range(2):
        async with database.write() as session:
            await raise_alarm(session, AlarmCode.OUTBOX_BEHIND, about="relay")
    assert await rows(database) == [("outbox_behind", "relay", 2)]
    assert ALARMS_RAISED.labels(AlarmCode.OUTBOX_BEHIND)._value.get() == before + 2
    assert capsys.readouterr().out.count("alarm_raised") == 2
    async with database.read() as session:
        await alarms.measure(session)
    assert ALARMS_OPEN.labels(AlarmCode.OUTBOX_BEHIND)._value.get() == 1


@pytest.mark.parametrize("about", ["Jens Hansen", "a" * 121, "x\n", "\x00", "case 310262" + "4444", "6102624444"])
async def test_an_alarm_is_never_about_a_person(database: Database, about: str):
    async with database.write() as session:
        await raise_alarm(session, AlarmCode.RECORD_PARKED, about=about)
    assert await rows(database) == [("record_parked", "unnamed", 1)]


async def test_raised_without_a_session_it_is_written_later(database: Database):
    raise_alarm_later(AlarmCode.DRAIN_OVERDUE)
    raise_alarm_later(AlarmCode.DRAIN_OVERDUE)
    flushing = asyncio.create_task(keep_flushing(database))

    async def written() -> bool:
        return await rows(database) == [("drain_overdue", "", 2)]

    await until(written)
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)


async def test_what_waits_for_a_database_is_bounded_and_kept(database: Database):
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none", application_name="away", pool_size=1)
    for number in range(PENDING_MAX + 20):
        raise_alarm_later(AlarmCode.SOURCE_REFUSED, about=f"client-{number}")
    assert len(alarms._PENDING._counts) == PENDING_MAX + 1
    raise_alarm_later(AlarmCode.SOURCE_REFUSED, about="client-0")
    alarms._PENDING._counts = dict(list(alarms._PENDING._counts.items())[-2:])  # two outages are as good as 500
    await flush(away)
    assert len(alarms._PENDING._counts) == 2
    await flush(database)
    assert await rows(database) == [("source_refused", f"client-{PENDING_MAX - 1}", 1), ("alarms_dropped", "", 20)]
    assert not alarms._PENDING._counts
    await away.close()
