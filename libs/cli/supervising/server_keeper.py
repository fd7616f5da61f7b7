"""Keeps our own PostgreSQL and Kafka running: one that ends by itself is started again, or its failure is told.

Rules:
- A server is started from the main thread, which its death signal follows; between two looks the event loop runs on, so
  that a supervisor goes on obeying consent's orders (docs/fence.md, Death) while a broker comes back.
- A server that did not become ready ATTEMPTS_MAX times in a row is given up: `failure` says why, and whoever started
  the system ends.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from libs.cli.processes.local_parts import POLL_S, LocalPartError, Steps
from libs.cli.supervising.incarnations import Delay

ATTEMPTS_MAX: Final = 5
_RETRY_S_MIN, _RETRY_S_MAX = 0.1, 5.0


class LocalServer(Protocol):
    """A server of ours, PostgreSQL or Kafka. See `PostgresServer` and `KafkaServer`."""

    name: str

    @property
    def pid(self) -> int:
        """The process id of the server that runs, or ran last."""
        ...

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        ...

    def starting(self) -> Steps:
        """Starts it; takes steps until it is ready. Raises LocalPartError."""
        ...


class ServerKeeper:
    """Keeps one server. `restarts` counts how often it was started again; `last_code` is how it ended last."""

    def __init__(self, server: LocalServer, log: FilteringBoundLogger) -> None:
        self.server = server
        self.restarts = 0
        self.last_code: int | None = None
        self._log = log.bind(instance=server.name)
        self._task = asyncio.create_task(self._keep(), name=f"keep {server.name}")

    @property
    def failure(self) -> BaseException | None:
        """Why the server is kept no more: LocalPartError, or what its start raised; None: all is well."""
        ended = self._task.done() and not self._task.cancelled()
        return self._task.exception() if ended else None

    async def stop(self) -> None:
        """Keeps it no more; the server itself is left as it is."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _keep(self) -> None:
        delay = Delay(_RETRY_S_MIN, _RETRY_S_MAX)
        attempts = 0
        while True:
            await self._ended()
            attempts += 1
            try:
                for _ in self.server.starting():
                    await asyncio.sleep(POLL_S)
            except LocalPartError:
                self._log.error("server_not_started", attempt=attempts, attempts_max=ATTEMPTS_MAX)
                if attempts >= ATTEMPTS_MAX:
                    raise
                await delay.wait()
                continue
            attempts = 0
            self.restarts += 1
            self._log.info("server_started", pid=self.server.pid)
            await delay.wait()  # a server that ends over and over is started less and less often

    async def _ended(self) -> None:
        if self.server.exit_code is None:
            await _exit_of(self.server.pid)
        self.last_code = self.server.exit_code
        self._log.warning("server_ended", pid=self.server.pid, exit_code=self.last_code)


@asynccontextmanager
async def keeping(servers: Iterable[LocalServer], log: FilteringBoundLogger) -> AsyncIterator[tuple[ServerKeeper, ...]]:
    """Keeps these servers until the block is left. Call it from the main thread."""
    keepers = tuple(ServerKeeper(server, log) for server in servers)
    try:
        yield keepers
    finally:
        for keeper in keepers:
            await keeper.stop()


async def _exit_of(pid: int) -> None:
    """Returns when the child has ended; it is not reaped here."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    pidfd = os.pidfd_open(pid)
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
