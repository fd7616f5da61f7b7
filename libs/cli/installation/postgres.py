"""An embedded PostgreSQL: a real server in a folder, started by us, reached over a Unix socket alone.

Rules:
- One folder holds everything: `cluster/`, `postgres.log`, `superuser-password` (0600) and, when its path is short
  enough, `socket/` (0700). PostgreSQL listens on no network address.
- Every connection gives a password (scram-sha-256), the administrator's too.
- The server's log holds no statement, no parameter and no DETAIL line, because those can quote a row
  (promise P10: personal numbers stay in the database).
- The server dies with its starter: on the parent's death it gets SIGINT, a fast and clean shutdown. A folder whose
  former server is still leaving is waited for; one that is served by a living starter is refused.
"""

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, Self
from urllib.parse import quote

from libs.cli.installation import postgres_binaries
from libs.cli.installation.postgres_binaries import PostgresBinaries
from libs.cli.processes.local_parts import (
    AlreadyRunningError,
    LocalPartError,
    RunUser,
    Steps,
    UnreachableFolderError,
    await_steps,
    spawn,
    tail,
)
from libs.cli.processes.state import write_private

SUPERUSER = "postgres"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
_SOCKET_PATH_MAX = 100  # characters; the kernel's limit for a socket's address is 107 bytes
_SOCKET_NAME = ".s.PGSQL.5432"
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "cluster_name": "samtykkebro",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}
_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class PostgresServer:
    """A running server. Made by `start`; ended by `stop`, by leaving its `with` block, or by our own death."""

    name = "PostgreSQL"

    def __init__(self, data_dir: Path, socket_dir: Path, command: Sequence[str | Path], lock: IO[bytes]) -> None:
        self.data_dir = data_dir
        self.socket_dir = socket_dir
        self._command = command
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> Self:
        """Starts PostgreSQL on `data_dir`, creating the cluster the first time; returns when it accepts connections.

        `settings` adds to or overrides the server's configuration for this run. Call it from the main thread.
        Raises LocalPartMissingError (wheel not installed), AlreadyRunningError, UnreachableFolderError (as root:
        `nobody` cannot enter a folder above `data_dir`), LocalPartError (with the end of the server's log).
        """
        user = RunUser.for_unprivileged()
        binaries = postgres_binaries.find(user)
        data_dir = _prepared(data_dir.absolute(), user)
        lock = _locked(data_dir)
        try:
            await_steps(_former_server_leaves(data_dir / "cluster"))
            _create_cluster(data_dir, binaries, user)
            socket_dir = _socket_dir(data_dir, user)
            configuration = {**_SETTINGS, "unix_socket_directories": str(socket_dir), **(settings or {})}
            options = [part for name, value in configuration.items() for part in ("-c", f"{name}={value}")]
            server = cls(data_dir, socket_dir, (binaries.postgres, "-D", data_dir / "cluster", *options), lock)
            await_steps(server.starting())
        except BaseException:
            lock.close()
            raise
        return server

    @property
    def pid(self) -> int:
        """The postmaster's process id; another one after it was started again."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the postmaster ended, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def starting(self) -> Steps:
        """Starts the server, the first time or after it ended by itself, and takes steps until it accepts connections.

        Take the steps on the main thread. Raises AlreadyRunningError (what it left behind does not end), LocalPartError
        with the end of the server's log.
        """
        yield from _former_server_leaves(self.data_dir / "cluster")
        user = RunUser.for_unprivileged()
        log = self.data_dir / "postgres.log"
        self._process = spawn(self._command, log=log, environment=_ENVIRONMENT, user=user, death_signal=signal.SIGINT)
        yield from _becomes_ready(self._process, self.data_dir)

    @property
    def admin_url(self) -> str:
        """The superuser's URL on the database `postgres`. It holds a password: never log it."""
        return self.url(SUPERUSER, (self.data_dir / "superuser-password").read_text(), "postgres")

    def url(self, role: str, password: str, database: str) -> str:
        """A SQLAlchemy URL (asyncpg, Unix socket) for `role` on `database`. It holds a password: never log it."""
        credentials = f"{quote(role, safe='')}:{quote(password, safe='')}"
        return f"postgresql+asyncpg://{credentials}@/{quote(database, safe='')}?host={quote(str(self.socket_dir))}"

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Shuts down: `fast` ends sessions and checkpoints, `immediate` is a crash that the next start recovers from.

        Returns when the server is gone; a server that is gone already is fine. Raises LocalPartError on a timeout.
        """
        if self._process and self._process.poll() is None:
            self._process.send_signal(_SIGNALS[mode])
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise LocalPartError(f"PostgreSQL (pid {self.pid}) did not stop within {STOP_TIMEOUT_S} s") from None
        self._left()

    def kill(self) -> None:
        """SIGKILL to the postmaster, for fault runs; its children end by themselves and the next start waits for it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._left()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _left(self) -> None:
        self._lock.close()
        with contextlib.suppress(OSError):
            if self.socket_dir.parent != self.data_dir:
                self.socket_dir.rmdir()


def _prepared(data_dir: Path, user: RunUser) -> Path:
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    if blocked := user.blocked_at(data_dir):
        raise UnreachableFolderError(
            f"as root PostgreSQL runs as the user nobody, who cannot enter {blocked}; "
            "name a folder outside home folders (SAMTYKKEBRO_STATE_DIR), or do not run as root"
        )
    if any(data_dir.iterdir()) and not (data_dir / "lock").exists():
        raise LocalPartError(f"{data_dir} holds something else: name an empty folder")
    # The folder stays ours when the server is another user: what we write here as root, that user cannot redirect.
    data_dir.chmod(0o711 if user.drops else 0o700)
    return data_dir


def _locked(data_dir: Path) -> IO[bytes]:
    lock = (data_dir / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise AlreadyRunningError(f"{data_dir} is served by another process") from None
    return lock


def _former_server_leaves(cluster: Path) -> Steps:
    """Steps until no process works in `cluster`, then removes what a killed server left behind.

    PostgreSQL judges a left-over `postmaster.pid` by its number alone and refuses to start when an unrelated process
    of the same user has that number now; we know better, because its processes work inside the folder.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while pids := _processes_in(cluster):
        if time.monotonic() > deadline:
            raise AlreadyRunningError(f"{cluster} is still used by the processes {pids}")
        yield
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _processes_in(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder.resolve():
                found.append(int(entry.name))
    return found


def _create_cluster(data_dir: Path, binaries: PostgresBinaries, user: RunUser) -> None:
    cluster, password = data_dir / "cluster", data_dir / "superuser-password"
    if (cluster / "PG_VERSION").exists() and password.exists():
        return
    draft = Path(tempfile.mkdtemp(dir=data_dir, prefix="cluster."))
    user.own(draft)
    write_private(password, secrets.token_urlsafe(24).encode())
    user.own(password)
    log = data_dir / "initdb.log"
    arguments = (f"--pgdata={draft}", f"--pwfile={password}", f"--username={SUPERUSER}", "--encoding=UTF8")
    access = ("--auth-local=scram-sha-256", "--auth-host=reject")
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    process = spawn((binaries.initdb, *arguments, *access, *locale), log=log, environment=_ENVIRONMENT, user=user)
    if process.wait(START_TIMEOUT_S):
        raise LocalPartError(f"initdb failed:\n{tail(log)}")
    draft.rename(cluster)


def _socket_dir(data_dir: Path, user: RunUser) -> Path:
    """`data_dir/socket`, or a short folder elsewhere that keeps its name over restarts for as long as it is ours."""
    near = data_dir / "socket"
    if len(str(near / _SOCKET_NAME)) < _SOCKET_PATH_MAX:
        near.mkdir(mode=0o700, exist_ok=True)
        user.own(near)
        return near
    note = data_dir / "socket-dir"
    far = Path(note.read_text()) if note.exists() else None
    if far is None or not _is_ours(far, user):
        base = os.environ.get("XDG_RUNTIME_DIR") if not user.drops else None
        far = Path(tempfile.mkdtemp(prefix="sb-", dir=base or tempfile.gettempdir()))
        user.own(far)
        note.write_text(str(far))
    return far


def _is_ours(folder: Path, user: RunUser) -> bool:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        user.own(folder)
    found = folder.lstat()
    return found.st_uid == user.uid and found.st_mode & 0o170777 == 0o040700


def _becomes_ready(process: subprocess.Popen[bytes], data_dir: Path) -> Steps:
    """The eighth line of `postmaster.pid` is the server's own word that it accepts connections (as pg_ctl reads it)."""
    status = data_dir / "cluster" / "postmaster.pid"
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            lines = status.read_text().splitlines()
            if len(lines) >= 8 and lines[7].strip() == "ready" and int(lines[0]) == process.pid:
                return
        yield
    process.kill()
    process.wait()
    raise LocalPartError(f"PostgreSQL did not start:\n{tail(data_dir / 'postgres.log')}")
