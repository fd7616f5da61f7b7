"""A sweep does each item on its own: what fails rests, is counted and told, and stands in nobody's way."""

import asyncio
from dataclasses import dataclass

import asyncpg
import pytest

from libs.common.observing.metrics import REGISTRY
from libs.common.running import alarms
from libs.common.running.alarms import AlarmCode
from libs.common.running.sweep import FAILURES_MAX, OUTAGES_MAX, Sweep, keep_sweeping
from tests.waiting import until


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[AlarmCode, str]]:
    """What was given to the alarms' own queue."""
    told: list[tuple[AlarmCode, str]] = []
    pending = alarms._PENDING
    monkeypatch.setattr(pending, "add", lambda code, about, count=1: told.append((code, about)))
    return told


class BadError(Exception):
    pass


async def run(sweep: Sweep[int], items: list[int], bad: set[int]) -> list[int]:
    """The items that were tried."""
    tried: list[int] = []

    async def work(item: int) -> None:
        tried.append(item)
        if item in bad:
            raise BadError

    await sweep.each(items, work, key=lambda item: item)
    return tried


async def test_one_that_fails_keeps_none_from_its_turn_and_rests_longer_each_time():
    clock = Clock()
    sweep: Sweep[int] = Sweep("test", rest_s=10, rest_s_max=25, clock=clock)
    assert await run(sweep, [1, 2, 3], {1}) == [1, 2, 3]
    rests = []
    for _ in range(4):
        assert sweep.resting() == [1]
        began = clock.now
        while sweep.resting():
            clock.now += 1
        rests.append(clock.now - began)
        assert sweep.rested() == [1]
        await run(sweep, [1], {1})
    assert rests == [10, 20, 25, 25]
    clock.now += 25
    await run(sweep, [1], set())
    assert (sweep.resting(), sweep.rested()) == ([], [])


async def test_an_item_that_keeps_failing_is_an_alarm_and_each_failure_is_counted(raised: list[tuple[AlarmCode, str]]):
    def counted() -> float:
        return REGISTRY.get_sample_value("samtykkebro_sweep_items_failed_total", {"sweep": "test"}) or 0.0

    sweep, before = Sweep[int]("test"), counted()
    for times in range(1, FAILURES_MAX + 1):
        await run(sweep, [1], {1})
        assert counted() - before == times
        assert raised == [(AlarmCode.SWEEP_FAILING, "test")] * (times == FAILURES_MAX)


async def test_a_database_that_is_away_ends_the_round_soon():
    tried = 0

    async def work(_: int) -> None:
        nonlocal tried
        tried += 1
        raise asyncpg.exceptions.CannotConnectNowError

    with pytest.raises(asyncpg.exceptions.CannotConnectNowError):
        await Sweep[int]("test").each(range(100), work, key=lambda item: item)
    assert tried == OUTAGES_MAX


async def test_what_ends_one_round_does_not_end_the_rounds(raised: list[tuple[AlarmCode, str]]):
    rounds = 0

    async def round_of() -> None:
        nonlocal rounds
        rounds += 1
        raise BadError

    async def enough() -> bool:
        return rounds > FAILURES_MAX

    task = asyncio.ensure_future(keep_sweeping("test", 0, round_of))
    await until(enough)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert raised[0] == (AlarmCode.SWEEP_FAILING, "test")
