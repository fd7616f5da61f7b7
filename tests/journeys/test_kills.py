"""P9: every process of the distributed system is killed once, in the middle of the story, and the story ends right."""

import asyncio
import random
import signal
import time

import pytest
from rich.console import Console

from libs.cli.demo import actors, chapters_bridge, chapters_family
from libs.cli.demo import stage as story
from libs.cli.demo.cast import bring_on
from libs.cli.demo.command import set_up
from libs.cli.demo.stage import Stage
from libs.cli.running.system import READY_TIMEOUT_S
from libs.cli.running.up import System
from libs.common.bus.kafka import SESSION_TIMEOUT_MS

pytestmark = [pytest.mark.journey, pytest.mark.kafka, pytest.mark.timeout(300)]
SEED = 7
QUIET_S, QUIET_WITHIN_S = 6.0, 60.0
# Twelve processes that start at once share the machine's processors, and a group waits for the session of its killed
# member before its successor reads: the story's own patience begins after both.
RESTART_S = READY_TIMEOUT_S + SESSION_TIMEOUT_MS / 1000


async def _kill_each_once(system: System, rng: random.Random, killed: list[str]) -> None:
    names = [name for name in system.processes if name != "issuer"]
    rng.shuffle(names)
    for name in names:
        await asyncio.sleep(rng.uniform(0.1, 0.4))
        await system.kill(name, signal.SIGKILL)
        killed.append(name)


async def _quiet(stage: Stage) -> None:
    """Wait until what was delayed by the kills has come: Peter's chapter compares the world before and after an event.

    Quiet is when no inbox and no count of doorbells has changed for as long as a doorbell's retry takes.
    """
    seen, since, end = None, time.monotonic(), time.monotonic() + QUIET_WITHIN_S
    while time.monotonic() - since < QUIET_S:
        assert time.monotonic() < end, "the world does not become quiet"
        inboxes = [
            frozenset(item["notification_id"] for item in await stage.look(name)) for name in sorted(stage.caseworkers)
        ]
        now = (inboxes, len(stage.receiver.rings))
        if now != seen:
            seen, since = now, time.monotonic()
        await asyncio.sleep(0.2)


@pytest.mark.usefixtures("broker")
async def test_the_story_ends_right_with_every_process_killed_once(http_client, monkeypatch) -> None:
    for patient in (actors, story):
        monkeypatch.setattr(patient, "PATIENCE_S", RESTART_S + patient.PATIENCE_S)
    killed: list[str] = []
    async with set_up(Console(quiet=True), "distributed") as (stage, system):
        await bring_on(stage, system, http_client)
        killer = asyncio.create_task(_kill_each_once(system, random.Random(SEED), killed))
        await chapters_bridge.cases_open(stage)
        await chapters_bridge.morten(stage)
        await chapters_bridge.hans(stage)
        await chapters_family.guelcan(stage)
        await killer
        await _quiet(stage)
        await chapters_family.peter(stage)
        report = stage.finish()
        expected = len(system.processes) - 1
    assert len(killed) == expected >= 12
    assert not [row for row in report.promises if not row.kept]
