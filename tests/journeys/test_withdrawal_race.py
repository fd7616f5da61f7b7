"""P1 under contention: thousands of concurrent grants, withdrawals, events and fetches on few citizens, one oracle.

After a withdrawal's `200` and until the citizen consents anew, no inbox read that began in between shows them.
"""

import asyncio
import time

import pytest
from rich.console import Console

from libs.cli.demo.actors import Citizen, expect
from libs.cli.demo.cast import bring_on
from libs.cli.demo.command import set_up
from libs.cli.demo.stage import Stage
from tests.journeys.race import History

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
OPERATIONS = 2_500
MOMENT_S_MAX = 1.5
SECONDS_MAX = 150.0  # on a machine too slow for that many, the test fails rather than prove less
CASES = {"morten": "BIF-26-3001", "hans": "BIF-26-3002", "peter": "BIF-26-3003"}


def test_the_checker_sees_a_disclosure_after_the_answer() -> None:
    history = History(closed={"a": [(10.0, 20.0)], "b": []})
    history.fetches = [(11.0, 12.0, frozenset({"a"})), (9.0, 12.0, frozenset({"a"})), (11.0, 21.0, frozenset({"a"}))]
    assert history.violations() == [("a", 11.0, 12.0)]
    assert history.inside_closed() == 1


class Race:
    """Goes on until enough has been done, or for so long."""

    def __init__(self) -> None:
        self.history = History()
        self._end = time.monotonic() + SECONDS_MAX

    @property
    def on(self) -> bool:
        return self.history.operations < OPERATIONS and time.monotonic() < self._end


async def _toggle(name: str, citizen: Citizen, race: Race) -> None:
    """Consent, a moment, withdraw, a moment: each closed interval is written down."""
    history, answered = race.history, None
    intervals = history.closed.setdefault(name, [])
    while race.on:
        asked = time.monotonic()
        if answered is not None:
            intervals.append((answered, asked))
        granted = await citizen.grant("KOORDINERING", "SOF-BCV", "BIF-JOBINDSATS", ["SOCIAL_STOETTE"])
        history.grants += 1
        await _read_after(time.monotonic(), race, showing=frozenset({name}))
        await citizen.withdraw(granted["consent"]["consent_id"])
        answered = time.monotonic()
        history.withdrawals += 1
        await _read_after(answered, race)
    intervals.append((answered or float("inf"), float("inf")))


async def _read_after(since: float, race: Race, showing: frozenset[str] = frozenset()) -> None:
    """Wait until an inbox read begun later has shown them, or a moment has passed: the pace is the machine's own."""
    end = time.monotonic() + MOMENT_S_MAX
    while race.on and time.monotonic() < end:
        if any(asked > since and showing <= shown for asked, _, shown in race.history.fetches[-20:]):
            return
        await asyncio.sleep(0.01)


async def _emit(stage: Stage, race: Race) -> None:
    domus = stage.sources["domus"]
    abouts = [stage.citizens[name].borger_id for name in CASES]
    form = {"content-type": "application/cloudevents-batch+json"}
    while race.on:
        batch = [domus.event("sof.stoette.aendret", about, "SOF-BCV") for about in abouts]
        expect(await domus.advis.patiently("POST", "/v1/case-events", batch, form), 202)
        race.history.events += len(batch)


async def _fetch(stage: Stage, race: Race) -> None:
    by_case = {case: name for name, case in CASES.items()}
    while race.on:
        asked = time.monotonic()
        items = await stage.look("bif101")
        shown = frozenset(by_case[item["case_reference"]] for item in items)
        race.history.fetches.append((asked, time.monotonic(), shown))


async def _open_cases(stage: Stage) -> None:
    fasit = stage.sources["fasit"]
    for name, case in CASES.items():
        about = stage.citizens[name].borger_id
        opened = fasit.event("bif.sag.aabnet", about, "BIF-JOBINDSATS", case_reference=case, caseworker="bif101")
        await fasit.emit(opened)


async def test_nothing_is_disclosed_after_a_withdrawal_is_answered(http_client) -> None:
    async with set_up(Console(quiet=True)) as (stage, system):
        await bring_on(stage, system, http_client)
        await _open_cases(stage)
        race = Race()
        async with asyncio.TaskGroup() as group:
            for name in CASES:
                group.create_task(_toggle(name, stage.citizens[name], race))
            for _ in range(2):
                group.create_task(_emit(stage, race))
            for _ in range(6):
                group.create_task(_fetch(stage, race))
    history = race.history
    shown = sum(len(items) for _, _, items in history.fetches)
    print(
        f"\n{history.grants} grants, {history.withdrawals} withdrawals, {history.events} events,"
        f" {len(history.fetches)} fetches ({shown} showed a citizen, {history.inside_closed()} were begun and answered"
        " inside a closed interval)"
    )
    assert not history.violations()
    assert history.operations >= OPERATIONS
    assert shown > 0, "nothing was ever disclosed: the race proved nothing"
    assert history.inside_closed() > 0
