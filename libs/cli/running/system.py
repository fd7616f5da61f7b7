"""A running installation as its starter sees it: where it answers, who may sign in, and each of its processes.

Rules: a service's name stands for all its processes (`consent` for `consent-api`, `consent-relay` …); a process's own
name for itself. What is killed is started again by the supervisor, what is stopped is not.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals

import httpx2

from libs.cli.installation.databases import DatabaseUrls
from libs.cli.installation.people import PAGES, REDIRECT_URI
from libs.cli.installation.profiles import Profile
from libs.cli.processes.local_parts import tail
from libs.cli.supervising.server_keeper import ServerKeeper
from libs.cli.supervising.supervisor import Keeper, Supervisor

READY_TIMEOUT_S = 90.0
_POLL_S = 0.03
_ENDED_MAX = 3  # a process that ended this often before it was ready will not become ready


class StartError(Exception):
    """The system, or a part of it, did not become ready; the text says what was waited for and quotes the log."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A system client's credentials at the issuer."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class System:
    """`urls` by door: issuer, consent, advis, audit. `cpr_numbers` by username, and the child's under `child`."""

    profile: Profile
    state_dir: Path
    urls: Mapping[str, str]
    databases: Mapping[str, DatabaseUrls] = field(repr=False)
    bus_url: str = field(repr=False)
    clients: Mapping[str, Credentials]
    cpr_numbers: Mapping[str, str] = field(repr=False)
    supervisor: Supervisor
    servers: tuple[ServerKeeper, ...] = ()
    login_client: str = PAGES
    login_redirect: str = REDIRECT_URI

    @property
    def log_dir(self) -> Path:
        """One file a process, and the supervisor's own."""
        return self.state_dir / "logs"

    @property
    def processes(self) -> tuple[str, ...]:
        """Every process's name, in the order of starting."""
        return tuple(self.supervisor.keepers)

    def pids(self, name: str) -> tuple[int, ...]:
        """The living processes of a name. Raises KeyError for an unknown name."""
        return tuple(keeper.pid for keeper in self._named(name) if keeper.pid is not None)

    def log_path(self, process: str) -> Path:
        """Where a process writes."""
        return self.log_dir / f"{process}.log"

    def check(self) -> None:
        """Raises what made the keeping of a process or of a server of ours impossible; returns when all are well."""
        self.supervisor.check()
        for keeper in self.servers:
            if keeper.failure is not None:
                raise keeper.failure

    def starts(self) -> dict[str, tuple[int, int | None]]:
        """How often each process and server was started, and how it ended last, by its name."""
        processes = {name: (keeper.starts, keeper.last_code) for name, keeper in self.supervisor.keepers.items()}
        return processes | {keeper.server.name: (keeper.restarts, keeper.last_code) for keeper in self.servers}

    async def kill(self, name: str, number: Signals = SIGKILL) -> tuple[int, ...]:
        """Sends a signal to each process of a name; after SIGKILL it returns when they are reaped. Gives the pids.

        Raises KeyError for an unknown name, ProcessLookupError when one is not running.
        """
        children = [keeper.signal(number) for keeper in self._named(name)]
        if number == SIGKILL:
            await asyncio.gather(*(child.exited.wait() for child in children))
        return tuple(child.pid for child in children)

    async def stop(self, name: str) -> None:
        """Ends the processes of a name in good order, and starts them no more."""
        await asyncio.gather(*(keeper.stop() for keeper in self._named(name)))

    def start(self, name: str) -> None:
        """Starts again what was stopped."""
        for keeper in self._named(name):
            keeper.start()

    async def restart(self, name: str) -> None:
        """Stops and starts; returns when ready."""
        await self.stop(name)
        self.start(name)
        await self.ready(name)

    async def ready(
        self, *names: str, timeout_s: float = READY_TIMEOUT_S, on_ready: Callable[[str], None] = lambda _: None
    ) -> None:
        """Returns when these processes (none named: all) do their work; tells each as it comes. Raises StartError."""
        waiting = {keeper.program.name: keeper for name in names or self.processes for keeper in self._named(name)}
        ended = {name: keeper.starts for name, keeper in waiting.items()}
        deadline = time.monotonic() + timeout_s
        async with httpx2.AsyncClient(timeout=2.0) as http:
            while waiting:
                self.check()
                for name, keeper in list(waiting.items()):
                    if await _is_ready(keeper, http):
                        del waiting[name]
                        on_ready(name)
                    elif keeper.starts - ended[name] >= _ENDED_MAX:
                        raise self._unready(keeper)
                if waiting and time.monotonic() > deadline:
                    raise self._unready(next(iter(waiting.values())))
                await asyncio.sleep(_POLL_S if waiting else 0)

    def _unready(self, keeper: Keeper) -> StartError:
        name = keeper.program.name
        why = keeper.waits_for or (f"it ended with {keeper.last_code}" if keeper.last_code is not None else "it runs")
        return StartError(f"{name} is not ready: {why}. The end of {self.log_path(name)}:\n{tail(self.log_path(name))}")

    def _named(self, name: str) -> list[Keeper]:
        found = [
            k for process, k in self.supervisor.keepers.items() if process == name or process.startswith(f"{name}-")
        ]
        if not found:
            raise KeyError(f"there is no process {name!r}; there are {', '.join(self.processes)}")
        return found


async def _is_ready(keeper: Keeper, http: httpx2.AsyncClient) -> bool:
    if keeper.pid is None or keeper.program.ready_url is None:
        return keeper.pid is not None
    try:
        return (await http.get(keeper.program.ready_url)).status_code == 200
    except httpx2.TransportError:
        return False
