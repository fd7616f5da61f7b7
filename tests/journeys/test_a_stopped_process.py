"""P1 against a paused process: advis is stopped while it holds a permit, and the withdrawal waits for its death.

A webhook receiver that never answers keeps the doorbell's permit open; then SIGSTOP freezes the holder. No lease and no
clock frees that permit: the supervisor kills the process, reaps it, says so, and only then is the answer `200`.
"""

import asyncio
import os
import signal
import time

import pytest
from rich.console import Console

from libs.cli.demo.actors import Door
from libs.cli.demo.cast import bring_on
from libs.cli.demo.command import set_up
from libs.cli.demo.stage import Stage, eventually

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]
LEASE_S = 5.0


async def _open_permits(operator: Door) -> int:
    return sum(holder["open_permits"] for holder in (await operator.get("/v1/holders"))["holders"])


async def test_a_withdrawal_waits_for_a_stopped_process_and_nothing_leaves_afterwards(
    http_client, operator_door
) -> None:
    async with set_up(Console(quiet=True)) as (stage, system):
        await bring_on(stage, system, http_client)
        operator = await operator_door(system)
        stage.receiver.answering.clear()
        consent_id = await _a_doorbell_in_flight(stage)

        async def in_flight() -> bool | None:
            return await _open_permits(operator) > 0 or None

        await eventually(in_flight, "the doorbell's permit to be open")
        (stopped,) = system.pids("advis")
        os.kill(stopped, signal.SIGSTOP)
        began = time.monotonic()
        withdrawn = await stage.citizens["hans"].withdraw(consent_id)
        waited = time.monotonic() - began
        assert waited > 1.0, "the answer came while a stopped process still held a permit"
        assert not _alive(stopped), "answered 200 with the holder still alive"
        assert await _open_permits(operator) == 0
        stage.receiver.answering.set()
        rings = len(stage.receiver.rings)
        shown = await eventually(lambda: _inbox(stage), "advis to be back")
        assert not [item for item in shown if item["case_reference"] == "BIF-26-3002"]
        await asyncio.sleep(1.0)
        assert len(stage.receiver.rings) == rings, "a doorbell rang after the answer"
    print(f"\nwithdrawal answered {withdrawn.statuses[0]} … {withdrawn.statuses[-1]} after {waited:.1f} s")


async def _a_doorbell_in_flight(stage: Stage) -> str:
    fasit, domus, hans = stage.sources["fasit"], stage.sources["domus"], stage.citizens["hans"]
    opened = fasit.event(
        "bif.sag.aabnet", hans.borger_id, "BIF-KANTEN", case_reference="BIF-26-3002", caseworker="bif201"
    )
    await fasit.emit(opened)
    granted = await hans.grant("BEHANDLING_FASTHOLDELSE", "SOF-RUSMIDDEL", "BIF-KANTEN", ["RUSMIDDEL"])
    await domus.emit(domus.event("sof.rusmiddel.opstartet", hans.borger_id, "SOF-RUSMIDDEL"))
    consent_id: str = granted["consent"]["consent_id"]
    return consent_id


async def _inbox(stage: Stage) -> list | None:
    response = await stage.caseworkers["bif201"].advis.patiently("GET", "/v1/inbox")
    return response.json()["items"] if response.status_code == 200 else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
