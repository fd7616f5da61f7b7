"""P1 under contention: thousands of concurrent grants, withdrawals, events and fetches on few citizens, one oracle.

After a withdrawal's `200` and until the citizen consents anew, no inbox read that began in between shows them.
"""

import asyncio
import time

import pytest
from rich.console import Console

from libs.cli.demo.actors import Citizen
from libs.cli.demo.cast import bring_on
from libs.cli.demo.command import set_up
from libs.cli.demo.stage import Stage
from tests.journeys.race import History

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]
SECONDS = 20.0
OPERATIONS_MIN = 2_000
CASES = {"morten": "BIF-26-3001", "hans": "BIF-26-3002", "peter": "BIF-26-3003"}


def test_the_checker_sees_a_disclosure_after_the_answer() -> None:
    history = History(closed={"a": [(10.0, 20.0)], "b": []})
    history.fetches = [(11.0, 12.0, frozenset({"a"})), (9.0, 12.0, frozenset({"a"})), (11.0, 21.0, frozenset({"a"}))]
    assert history.violations() == [("a", 11.0, 12.0)]
    assert history.inside_closed() == 1


async def _toggle(name: str, citizen: Citizen, history: History, end: float) -> None:
    """Consent, a moment, withdraw, a moment: each closed interval is written down."""
    intervals = history.closed.setdefault(name, [])
    answered = None
    while time.monotonic() < end:
        asked = time.monotonic()
        if answered is not None:
            intervals.append((answered, asked))
        granted = await citizen.grant("KOORDINERING", "SOF-BCV", "BIF-JOBINDSATS", ["SOCIAL_STOETTE"])
        history.grants += 1
        await asyncio.sleep(0.15)
        statuses = await citizen.withdraw(granted["consent"]["consent_id"])
        answered = time.monotonic()
        assert statuses[-1] == 200
        history.withdrawals += 1
        await asyncio.sleep(0.1)
    intervals.append((answered or end, float("inf")))


async def _emit(stage: Stage, history: History, end: float) -> None:
    domus = stage.sources["domus"]
    while time.monotonic() < end:
        for name in CASES:
            await domus.emit(domus.event("sof.stoette.aendret", stage.citizens[name].borger_id, "SOF-BCV"))
            history.events += 1


async def _fetch(stage: Stage, history: History, end: float) -> None:
    by_case = {case: name for name, case in CASES.items()}
    while time.monotonic() < end:
        asked = time.monotonic()
        items = await stage.look("bif101")
        shown = frozenset(by_case[item["case_reference"]] for item in items)
        history.fetches.append((asked, time.monotonic(), shown))


async def _open_cases(stage: Stage) -> None:
    fasit = stage.sources["fasit"]
    for name, case in CASES.items():
        about = stage.citizens[name].borger_id
        opened = fasit.event("bif.sag.aabnet", about, "BIF-JOBINDSATS", case_reference=case, caseworker="bif101")
        await fasit.emit(opened)


async def test_nothing_is_disclosed_after_a_withdrawal_is_answered(http_client) -> None:
    history = History()
    async with set_up(Console(quiet=True)) as (stage, system):
        await bring_on(stage, system, http_client)
        await _open_cases(stage)
        end = time.monotonic() + SECONDS
        async with asyncio.TaskGroup() as group:
            for name in CASES:
                group.create_task(_toggle(name, stage.citizens[name], history, end))
            for _ in range(2):
                group.create_task(_emit(stage, history, end))
            for _ in range(6):
                group.create_task(_fetch(stage, history, end + 0.5))
    shown = sum(len(items) for _, _, items in history.fetches)
    print(
        f"\n{history.grants} grants, {history.withdrawals} withdrawals, {history.events} events,"
        f" {len(history.fetches)} fetches ({shown} showed a citizen, {history.inside_closed()} were begun and answered"
        " inside a closed interval)"
    )
    assert not history.violations()
    assert history.operations > OPERATIONS_MIN
    assert shown > 0, "nothing was ever disclosed: the race proved nothing"
    assert history.inside_closed() > 0
