"""The whole system on one machine: it starts, heals, survives the death of its starter, and leaves nothing behind."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from libs.cli.installation.profiles import Ports, is_free
from libs.cli.issuer.login import sign_in
from libs.cli.running.up import System, running_system
from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.slots import Slot
from libs.cli.verifying.audit_verify import verify_with
from libs.common.http.client import ClientCredentials, ServiceClient
from tests.cli.supervising.test_supervisor import eventually
from tests.cli.world.consent_double import lives
from tests.cli.world.places import server_folder

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with server_folder() as folder:
        yield folder


def up_command(state_dir: Path) -> list[str]:
    first = next(port for port in iter(lambda: Ports.free().issuer, None) if all(map(is_free, range(port, port + 4))))
    return [sys.executable, "-m", "libs.cli", "up", "--state-dir", str(state_dir), "--port", str(first)]


@asynccontextmanager
async def client_of(system: System, client_id: str, service: str) -> AsyncIterator[ServiceClient]:
    known = system.clients[client_id]
    credentials = ClientCredentials(system.urls["issuer"], known.client_id, known.client_secret, audience=service)
    async with ServiceClient(system.urls[service], credentials=credentials, timeout_s=20.0) as client:
        yield client


async def living_holders(system: System) -> list[str]:
    async with client_of(system, "operator", "consent") as client:
        return [item["holder_id"] for item in await HolderCalls(client).living()]


def members(state_dir: Path) -> list[int]:
    """Every process that the folder is named to: in its command line, its environment or as where it works."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            works_in = str((process / "cwd").readlink())
        except (OSError, ProcessLookupError):
            continue
        if str(state_dir).encode() in told or works_in.startswith(str(state_dir)):
            found.append(int(process.name))
    return [pid for pid in found if lives(pid)]


async def test_the_system_starts_heals_and_stops(state_dir: Path) -> None:
    shown = Console(record=True, file=io.StringIO())
    async with running_system("embedded", state_dir, console=shown) as system:
        assert set(system.processes) == {"issuer", "consent", "advis", "audit"}
        assert "✓ advis" in shown.export_text()
        await citizens_and_staff_can_sign_in(system)

        (first,) = await living_holders(system)
        (pid,) = await system.kill("advis")
        assert not lives(pid)
        await system.ready("advis")
        (second,) = await living_holders(system)
        assert second != first

        await system.kill("advis", signal.SIGSTOP)
        await system.kill("consent")
        await system.ready("consent")
        await system.restart("audit")
        numbers = dict(system.cpr_numbers)
        async with client_of(system, "auditor", "audit") as client:
            assert not (await verify_with(client)).findings
    assert members(state_dir) == []
    assert Slot(state_dir / "slots", "supervisor/advis").previous() is None, "a stopped process was killed and buried"

    async with running_system("embedded", state_dir) as system:
        assert system.cpr_numbers == numbers
        assert len(await living_holders(system)) == 1


async def citizens_and_staff_can_sign_in(system: System) -> None:
    async with httpx2.AsyncClient() as http:
        for username, service, path in (("morten", "consent", "/v1/me"), ("bif101", "advis", "/v1/inbox")):
            token = await sign_in(
                system.urls["issuer"], system.login_client, system.login_redirect, username=username, resource=service
            )
            headers = {"authorization": f"Bearer {token}"}
            assert (await http.get(system.urls[service] + path, headers=headers)).status_code == 200
            assert (await http.get(system.urls[service] + path)).status_code == 401


async def test_a_killed_starter_takes_everything_along_and_the_next_one_goes_on(state_dir: Path) -> None:
    log = state_dir / "up.out"
    with log.open("wb") as output, subprocess.Popen(up_command(state_dir), stdout=output, stderr=output) as starter:
        try:
            await eventually(lambda: b"is up" in log.read_bytes(), "the system to be up", patience_s=120)
            assert len(members(state_dir)) > 4
        finally:
            starter.kill()
    await eventually(lambda: not members(state_dir), "everything to die with its starter")
    assert Slot(state_dir / "slots", "supervisor/advis").previous() is not None
    async with running_system("embedded", state_dir) as system:
        assert len(await living_holders(system)) == 1
        assert '"proof": "lock"' in (system.log_dir / "supervisor.log").read_text()


async def test_ctrl_c_stops_everything_and_says_so(state_dir: Path) -> None:
    log = state_dir / "up.out"
    # A shell starts what runs in its background with SIGINT ignored, and a child inherits that; a handler it does not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("wb") as output:
        starter = await asyncio.create_subprocess_exec(*up_command(state_dir), stdout=output, stderr=output)
        await eventually(lambda: "PostgreSQL" in log.read_text(), "the start to begin", patience_s=120)
        starter.send_signal(signal.SIGINT)
        code = await starter.wait()
    assert members(state_dir) == []
    assert "everything is stopped" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert code == 0
