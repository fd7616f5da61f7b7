"""The world of a fault run: servers, wires, a test build, the whole system in it, and the handles to break each.

Everything ends with the `async with` block, also after Ctrl-C and after SIGKILL: what we started watches its standard
input or dies with its parent.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from sqlalchemy import make_url

from libs.cli.demo.cast import WEBHOOK_KEY_FILE
from libs.cli.installation.profiles import Ports
from libs.cli.installation.secrets import prepare
from libs.cli.processes.state import write_private
from libs.cli.running.servers import ADMIN_DATABASE_URL, BUS_URL
from libs.cli.running.system import System
from libs.cli.running.up import running_system
from libs.common.bus.kafka import client_options
from tests import builds
from tests.faults import probe
from tests.faults.instrument import EDITS
from tests.faults.receivers import Receivers
from tests.unlimited import ENVIRONMENT

MEMORY = Path("/dev/shm")
MEMORY_FREE_BYTES_MIN = 4 * 2**30
CLOSE_S = 20.0


class Pipe:
    """A process of ours that obeys lines and answers each with a JSON line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    async def start(cls, module: str, *arguments: str, log: Path) -> Self:
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=builds.ROOT,
                start_new_session=True,
            )
        return cls(process)

    async def ask(self, line: str | Mapping[str, Any]) -> dict[str, Any]:
        """Say one thing, wait for its answer. Raises RuntimeError when the process is gone."""
        async with self._turn:
            assert self._process.stdin is not None
            text = line if isinstance(line, str) else json.dumps(line)
            self._process.stdin.write(text.encode() + b"\n")
            return await self.answer()

    async def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the fault run ended: {await self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._process.wait()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@dataclass(frozen=True)
class World:
    """What the nemesis, the actors and the checker need. `admin_url` leads past the proxies."""

    folder: Path
    system: System
    grounds: Pipe
    wires: Pipe
    receivers: Receivers
    admin_url: str

    @property
    def records(self) -> Path:
        return self.folder / "faults"

    def database(self, service: str) -> str:
        """An administrator's asyncpg address of one service's database, past the proxies."""
        url = make_url(self.admin_url).set(drivername="postgresql", database=service)
        return url.render_as_string(hide_password=False)

    @property
    def kafka(self) -> dict[str, Any]:
        """How the bus's owner reaches it with aiokafka, through the proxy like everybody."""
        return client_options(self.system.bus_url)


@asynccontextmanager
async def a_world(console: Console) -> AsyncIterator[World]:
    """A fresh system in a fresh folder, in the distributed profile, ready. Everything is gone afterwards."""
    folder = _folder()
    receivers = Receivers()
    closing: list[Pipe] = []
    named = {name: os.environ.get(name) for name in (ADMIN_DATABASE_URL, BUS_URL)}
    try:
        (folder / "faults" / probe.POINTS).mkdir(parents=True)
        (folder / "faults" / probe.CLOCKS).mkdir()
        built = builds.build(folder / "build", EDITS)
        wires = await Pipe.start("tests.faults.proxy", log=folder / "proxy.log")
        closing.append(wires)
        await receivers.start()
        grounds, admin_url = await _grounds(folder, wires, closing)
        ports = Ports.free()
        consent = await wires.ask({"op": "open", "name": "consent", "to": ["127.0.0.1", ports.consent]})
        told = {
            **builds.environment(built),
            **ENVIRONMENT,
            probe.FOLDER: str(folder / "faults"),
            "SAMTYKKEBRO_CONSENT_URL": f"http://127.0.0.1:{consent['port']}",
        }
        async with running_system(
            "distributed",
            folder,
            ports=ports,
            console=console,
            endpoints_file=_endpoints(receivers, folder),
            environment=told,
        ) as system:
            yield World(folder, system, grounds, wires, receivers, admin_url)
    finally:
        await receivers.stop()
        for pipe in reversed(closing):
            await pipe.close()
        for name, value in named.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


async def _grounds(folder: Path, wires: Pipe, closing: list[Pipe]) -> tuple[Pipe, str]:
    """PostgreSQL and Kafka behind their wires, named where the system looks for servers that are not its own."""
    broker = Ports.free().issuer
    front = (await wires.ask({"op": "open", "name": "kafka", "to": ["127.0.0.1", broker]}))["port"]
    grounds = await Pipe.start("tests.faults.grounds", str(folder), str(broker), str(front), log=folder / "grounds.log")
    closing.append(grounds)
    told = await grounds.answer()
    wire = {"op": "open", "name": "postgres", "to": f"{told['socket']}/.s.PGSQL.5432"}
    port = (await wires.ask(wire))["port"]
    through = make_url(told["admin_url"]).set(host="127.0.0.1", port=port, query={})
    os.environ[ADMIN_DATABASE_URL] = through.render_as_string(hide_password=False)
    os.environ[BUS_URL] = told["bus_url"]
    return grounds, told["admin_url"]


def _folder() -> Path:
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_FREE_BYTES_MIN
    folder = Path(tempfile.mkdtemp(prefix="samtykkebro-faults-", dir=MEMORY if roomy else None))
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user
    return folder


def _endpoints(receivers: Receivers, folder: Path) -> Path:
    write_private(prepare(folder / "secrets").service("advis") / WEBHOOK_KEY_FILE, receivers.secret.encode())
    path = folder / "endpoints.json"
    units = receivers.units()
    path.write_text(
        json.dumps(
            [{"unit": unit, "url": f"{receivers.url}/{unit}", "secret_file": WEBHOOK_KEY_FILE} for unit in units]
        ),
        encoding="utf-8",
    )
    return path
