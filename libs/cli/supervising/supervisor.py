"""Keeps processes running, and stops them in order (docs/fence.md, Death).

Rules:
- One thread, one event loop. Children are started by `children.Child` from the main thread.
- A process that ends is started again, at once if it had lived for a while, else after a growing delay.
- A process that holds permits lives through `incarnations.Incarnations`: it is started only when consent has confirmed
  the death of the one before it and registered the new one.
- Stopping goes by rank: what discloses first, so that its last permits still find consent, then the rest.
"""

import asyncio
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from signal import Signals
from typing import Self

from structlog.typing import FilteringBoundLogger

from libs.cli.processes.children import Child, Program
from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.incarnations import Delay, Incarnations, Limits
from libs.cli.supervising.slots import Place, Slot


class State(StrEnum):
    """What a kept process does now."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Keeper:
    """Keeps one program running. `starts` counts its processes; `last_code` is how the last one ended."""

    def __init__(
        self, program: Program, lives: Incarnations | None, *, limits: Limits, log: FilteringBoundLogger
    ) -> None:
        self.program = program
        self.starts = 0
        self.last_code: int | None = None
        self.state = State.STOPPED
        self._lives = lives
        self._limits = limits
        self._log = log.bind(instance=program.name)
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id of the living process; None when there is none."""
        return self._child.pid if self._child and not self._child.exited.is_set() else None

    @property
    def waits_for(self) -> str | None:
        """In words, what a holder that is not running waits for."""
        return self._lives.waits_for if self._lives else None

    @property
    def holder_id(self) -> str | None:
        """The registered incarnation of a permit holder."""
        return str(self._lives.holder_id) if self._lives and self._lives.holder_id else None

    def start(self) -> None:
        """Begins to keep the program running; does nothing when it is kept already."""
        if self._task is None or self._task.done():
            self._stopping.clear()
            self._task = asyncio.create_task(self._keep(), name=f"keep {self.program.name}")

    @property
    def failure(self) -> BaseException | None:
        """Why the program is kept no more although nobody stopped it, e.g. OSError; None: all is well."""
        ended = self._task is not None and self._task.done() and not self._task.cancelled()
        return self._task.exception() if ended and self._task else None

    def signal(self, number: Signals) -> Child:
        """Sends a signal to the living process and returns it. Raises ProcessLookupError when there is none."""
        if self._child is None or self.pid is None:
            raise ProcessLookupError(f"{self.program.name} is not running")
        self._child.signal(number)
        return self._child

    async def stop(self) -> None:
        """Ends the process (SIGTERM, then SIGKILL) and keeps it no more. Returns when it is reaped."""
        self._stopping.set()
        if self._task is None:
            return
        if self._child and not self._child.exited.is_set():
            await self._child.end(self._limits.stop_grace_s)
            # A holder's death is told to consent now; if consent is gone, the record on disk tells it later.
            await asyncio.wait({self._task}, timeout=self._limits.last_word_s)
        self._task.cancel()
        await asyncio.wait({self._task})
        if self._lives:
            self._lives.leave()
        self.state = State.STOPPED

    async def _keep(self) -> None:
        delay = Delay(self._limits.retry_s_min, self._limits.retry_s_max)
        while not self._stopping.is_set():
            began = time.monotonic()
            await self._live()
            if self._stopping.is_set():
                return
            if time.monotonic() - began >= self._limits.steady_s:
                delay.reset()
                continue
            self.state = State.PAUSED
            await delay.wait()

    async def _live(self) -> None:
        """One life: from asking whether it may start until its death is confirmed."""
        self.state = State.WAITING
        extra = await self._lives.begin() if self._lives else {}
        if self._stopping.is_set():
            return
        self._child = child = Child(self.program, extra, self._lives.inherited if self._lives else ())
        self.starts += 1
        self.state = State.RUNNING
        self._log.info("process_started", pid=child.pid)
        await (self._lives.watch(child) if self._lives else child.exited.wait())
        self.last_code = child.code
        self.state = State.WAITING
        log = self._log.info if self._stopping.is_set() else self._log.warning
        log("process_ended", pid=child.pid, exit_code=child.code)
        if self._lives:
            await self._lives.end()


class Supervisor:
    """All kept processes by name. Leaving the `async with` block stops them in order of their rank.

    `calls` may be None where no program has a slot.
    """

    def __init__(
        self,
        calls: HolderCalls | None,
        slots: Path,
        *,
        log: FilteringBoundLogger,
        limits: Limits | None = None,
        here: Place | None = None,
    ) -> None:
        self.keepers: dict[str, Keeper] = {}
        self._calls = calls
        self._slots = slots
        self._log = log
        self._limits = limits or Limits()
        self._here = here or Place.here()

    def keep(self, programs: Iterable[Program]) -> None:
        """Starts these programs and keeps them running. A name is used once."""
        for program in programs:
            assert program.name not in self.keepers, f"{program.name} is kept already"
            keeper = Keeper(program, self._lives(program), limits=self._limits, log=self._log)
            self.keepers[program.name] = keeper
            keeper.start()

    async def stop(self) -> None:
        """Stops everything, lowest rank first, each rank at once."""
        for rank in sorted({keeper.program.rank for keeper in self.keepers.values()}):
            group = [keeper for keeper in self.keepers.values() if keeper.program.rank == rank]
            await asyncio.gather(*(keeper.stop() for keeper in group))

    def check(self) -> None:
        """Raises what made a keeper give up (a full disk, a missing program); returns when all are well."""
        for keeper in self.keepers.values():
            if keeper.failure is not None:
                raise keeper.failure

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _lives(self, program: Program) -> Incarnations | None:
        if program.slot is None:
            return None
        assert self._calls is not None, f"{program.name} holds permits: its supervisor must reach consent"
        slot = Slot(self._slots, program.slot)
        return Incarnations(slot, self._calls, here=self._here, limits=self._limits, log=self._log)
