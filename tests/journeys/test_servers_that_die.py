"""A server of ours that is killed is started again and reported, and the way to stop stays open meanwhile."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import httpx2
import pytest
from rich.console import Console

from libs.cli.demo import actors, chapters_bridge
from libs.cli.demo import stage as waiting
from libs.cli.demo.actors import JSON, UnexpectedAnswerError, Withdrawn
from libs.cli.demo.cast import bring_on
from libs.cli.demo.command import set_up
from libs.cli.demo.stage import Stage, eventually
from libs.cli.issuer.login import SignInError, sign_in
from libs.cli.processes.local_parts import Steps
from libs.cli.running.up import System, keep_up
from libs.cli.supervising.server_keeper import ServerKeeper
from libs.common.bus.kafka import SESSION_TIMEOUT_MS
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]
AWAY = (UnexpectedAnswerError, httpx2.TransportError, SignInError)


@asynccontextmanager
async def reported(system: System) -> AsyncIterator[io.StringIO]:
    """What `up` prints while it keeps the system."""
    said = io.StringIO()
    keeping = asyncio.create_task(keep_up(system, Console(file=said, width=200)))
    await asyncio.sleep(0)
    yield said
    assert not keeping.done(), "keeping up goes on"
    keeping.cancel()
    await asyncio.wait({keeping})


def kept(system: System, name: str) -> ServerKeeper:
    return next(keeper for keeper in system.servers if keeper.server.name == name)


def kill(keeper: ServerKeeper) -> None:
    os.kill(keeper.server.pid, signal.SIGKILL)


async def tells_of_the_bus(http: httpx2.AsyncClient, system: System, code: str) -> None:
    """Every consumer is ready, and says this of the bus to the operator."""

    async def told() -> bool:
        consumers = [keeper.program for name, keeper in system.supervisor.keepers.items() if "consumer" in name]
        answers = [await http.get(str(program.ready_url)) for program in consumers]
        assert [answer.status_code for answer in answers] == [200] * 3
        return {answer.json()["components"]["bus"] for answer in answers} == {code}

    await until(told, timeout_s=60)  # each process notices by itself, at its next question


async def restarted(keeper: ServerKeeper, times: int = 1) -> None:
    """A broker takes a while on a busy machine."""

    async def again() -> bool:
        return keeper.restarts >= times

    await until(again, timeout_s=90)


@contextmanager
def kept_down(keeper: ServerKeeper) -> Iterator[None]:
    """The server, once it has ended, is started again only after this block."""
    server, starting, down = keeper.server, keeper.server.starting, True

    def later() -> Steps:
        while down:
            yield
        yield from starting()

    server.starting = later  # type: ignore[method-assign]
    try:
        yield
    finally:
        down = False
        server.starting = starting  # type: ignore[method-assign]


async def granted(stage: Stage) -> JSON:
    purpose, categories = "KOORDINERING", ["BESKAEFTIGELSESFORLOEB"]
    return await stage.citizens["morten"].grant(purpose, "BIF-JOBINDSATS", "SOF-BCV", categories)


async def withdrawn(stage: Stage, grant: JSON) -> Withdrawn:
    async def attempt() -> Withdrawn | None:
        with suppress(*AWAY):
            return await stage.citizens["morten"].withdraw(grant["consent"]["consent_id"])
        return None

    return await eventually(attempt, "the withdrawal to be answered")


async def told(stage: Stage) -> JSON:
    """An event reported now reaches the one inbox."""
    fasit, morten = stage.sources["fasit"], stage.citizens["morten"]
    event = fasit.event("bif.tilbud.bevilget", morten.borger_id, "BIF-JOBINDSATS")

    async def sent() -> bool | None:
        with suppress(*AWAY):
            await fasit.emit(event)
            return True
        return None

    await eventually(sent, "the event to be accepted")

    async def shown() -> JSON | None:
        with suppress(*AWAY):
            items = await stage.look("sof101")
            return next((item for item in items if item["event_type"] == "bif.tilbud.bevilget"), None)
        return None

    return await eventually(shown, "the event to be told")


async def test_a_killed_postmaster_is_started_again_and_a_withdrawal_answers(http_client: httpx2.AsyncClient) -> None:
    async with set_up(Console(quiet=True)) as (stage, system), reported(system) as said:
        await bring_on(stage, system, http_client)
        await chapters_bridge.cases_open(stage)
        grant = await granted(stage)
        postgres = kept(system, "PostgreSQL")
        for times in (1, 2):
            kill(postgres)
            await restarted(postgres, times)
        assert (await withdrawn(stage, grant)).statuses[-1] == 200
        await granted(stage)
        await told(stage)

        async def printed() -> bool | None:
            return "PostgreSQL ended with -9 and was started again" in said.getvalue() or None

        await eventually(printed, "the report")
        assert '"event": "server_ended"' in (system.log_dir / "supervisor.log").read_text()


async def test_a_killed_issuer_is_started_again_and_signs_people_in(http_client: httpx2.AsyncClient) -> None:
    async with set_up(Console(quiet=True)) as (stage, system), reported(system) as said:
        await bring_on(stage, system, http_client)
        await system.kill("issuer")

        async def signed_in() -> str | None:
            urls, client, redirect = system.urls, system.login_client, system.login_redirect
            with suppress(*AWAY):
                return await sign_in(urls["issuer"], client, redirect, username="morten", resource="consent")
            return None

        assert await eventually(signed_in, "the issuer to sign people in")

        async def printed() -> bool | None:
            return "issuer ended with -9 and was started again" in said.getvalue() or None

        await eventually(printed, "the report")


@pytest.mark.kafka
@pytest.mark.usefixtures("broker")
async def test_with_the_broker_killed_a_citizen_withdraws_and_events_flow_afterwards(
    http_client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patient in (actors, waiting):  # a broker starts, its members join anew, and then an event is told
        monkeypatch.setattr(patient, "PATIENCE_S", SESSION_TIMEOUT_MS / 1000 + 2 * patient.PATIENCE_S)
    async with set_up(Console(quiet=True), "distributed") as (stage, system), reported(system) as said:
        if not any(keeper.server.name == "Kafka" for keeper in system.servers):
            pytest.skip("the broker is not ours to kill")
        await bring_on(stage, system, http_client)
        await chapters_bridge.cases_open(stage)
        grant = await granted(stage)
        kafka = kept(system, "Kafka")
        with kept_down(kafka):
            kill(kafka)
            answer = await stage.citizens["morten"].withdraw(grant["consent"]["consent_id"])
            assert answer.statuses[-1] == 200
            for service in ("consent", "advis", "audit"):
                assert (await http_client.get(system.urls[service] + "/health/ready")).status_code == 200
            await tells_of_the_bus(http_client, system, "unreachable")
            assert kafka.restarts == 0
        await restarted(kafka)
        await granted(stage)
        await told(stage)
        await tells_of_the_bus(http_client, system, "ok")

        async def printed() -> bool | None:
            return "Kafka ended with -9 and was started again" in said.getvalue() or None

        await eventually(printed, "the report")


async def test_a_server_that_cannot_be_started_again_ends_the_command_with_the_reason(
    http_client: httpx2.AsyncClient,
) -> None:
    async with set_up(Console(quiet=True)) as (_, system):
        postgres = kept(system, "PostgreSQL")
        (system.state_dir / "postgres" / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")
        keeping = asyncio.create_task(keep_up(system, Console(quiet=True)))
        kill(postgres)
        done, _ = await asyncio.wait({keeping}, timeout=60)
        assert done, "nobody said that PostgreSQL cannot be started"
        assert "PostgreSQL did not start" in str(keeping.exception())
        assert "no_such_setting" in str(keeping.exception())
