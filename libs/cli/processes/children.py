"""One child process: started so that it cannot outlive us, ended through a pidfd, reaped once.

Rules (docs/fence.md, Death):
- Children are started from the main thread, because the parent-death signal that a child asks for follows the thread
  that started it. Nothing runs between fork and exec.
- The child is told who its parent is and checks that itself (`libs.common.running.process.become_child`).
- Signals go to the pidfd: a number may be another process by now, a pidfd never is.
- The child gets a session of its own, so that Ctrl-C in a terminal reaches us alone and the order of stopping is ours.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `environment` is all the child gets.

    `slot` names the permit holder's slot, None when it holds no permits. `rank` orders stopping, lowest first.
    `log` None: the child writes where we write. `ready_url` answers 200 when the process does its work.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    log: Path | None = None
    slot: str | None = None
    rank: int = 1
    ready_url: str | None = None


class Child:
    """A running child. `exited` is set when it has ended and is reaped; `code` is then its return code."""

    def __init__(self, program: Program, extra: Mapping[str, str], inherited: Sequence[int] = ()) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a child is started from the main thread: its parent-death signal follows the thread")
        self._process = _popen(program, {**program.environment, **extra}, inherited)
        self._pidfd = os.pidfd_open(self._process.pid)
        self.pid = self._process.pid
        self.exited = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pidfd, self._reap)

    @property
    def code(self) -> int | None:
        """The exit status, negative for a signal; None while it lives."""
        return self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; a child that has ended is fine."""
        if not self.exited.is_set():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def end(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL after `grace_s`. Returns when the child is reaped."""
        self.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.exited.wait(), grace_s)
        self.signal(signal.SIGKILL)
        await self.exited.wait()

    def _reap(self) -> None:
        if self._process.poll() is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self.exited.set()


def _popen(program: Program, environment: Mapping[str, str], inherited: Sequence[int]) -> subprocess.Popen[bytes]:
    output = program.log.open("ab") if program.log else None
    try:
        return subprocess.Popen(  # noqa: S603  (the profile chose the program; there is no shell)
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, "SAMTYKKEBRO_PARENT_PID": str(os.getpid())},
            pass_fds=inherited,
            start_new_session=True,
        )
    finally:
        if output:
            output.close()


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of ours in the interpreter that runs us."""
    return (sys.executable, "-m", module, *arguments)
