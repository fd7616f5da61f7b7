"""Settings refuse to guess, and a process ends when it is told to, when a part of it fails, or with its parent."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.common.bus.port import load_topics
from libs.common.observing.metrics import LOOPS_BROKEN
from libs.common.running import health
from libs.common.running.health import Conditions
from libs.common.running.process import run_roles
from libs.common.running.settings import CommonSettings, MigrationSettings
from libs.common.wire.messages import DEAD_LETTER_SUFFIX, TOPICS
from tests.servers import ROOT
from tests.waiting import until

REQUIRED = {
    "SAMTYKKEBRO_DATABASE_URL": "postgresql+asyncpg://u:hemmeligt@h/d",
    "SAMTYKKEBRO_BUS_URL": "kafka://localhost:9092",
    "SAMTYKKEBRO_ISSUER_URL": "http://127.0.0.1:8100",
    "SAMTYKKEBRO_AUDIENCE": "consent",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("SAMTYKKEBRO_")]:
        monkeypatch.delenv(name)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment_and_are_fixed(environment: pytest.MonkeyPatch):
    settings = CommonSettings()
    assert settings.audience == "consent"
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_what_is_missing_is_named_and_not_guessed(environment: pytest.MonkeyPatch, name: str):
    environment.delenv(name)
    with pytest.raises(ValidationError, match=name.removeprefix("SAMTYKKEBRO_").lower()):
        CommonSettings()


def test_a_process_is_in_production_unless_it_says_otherwise(environment: pytest.MonkeyPatch):
    assert CommonSettings().profile == "production"


def test_no_setting_prints_a_password(environment: pytest.MonkeyPatch):
    environment.setenv("SAMTYKKEBRO_HOLDER_TOKEN", "hemmeligt")
    environment.setenv("SAMTYKKEBRO_MIGRATION_DATABASE_URL", "postgresql+asyncpg://u:hemmeligt@h/d")
    for settings in (CommonSettings(), MigrationSettings()):
        assert "hemmeligt" not in repr(settings) + str(settings)


def test_every_topic_is_declared_with_its_dead_letters():
    declared = {topic.name: topic for topic in load_topics(ROOT / "deploy/kafka/topics.yaml")}
    for topic in TOPICS:
        assert declared[topic].partitions >= 1
        assert topic + DEAD_LETTER_SUFFIX in declared


async def test_the_first_role_that_fails_ends_the_others():
    ended = asyncio.Event()

    async def steady() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def failing() -> None:
        raise LookupError("a role failed")

    with pytest.raises(LookupError):
        await run_roles({"steady": steady, "failing": failing})
    assert ended.is_set()


async def test_what_the_roles_share_is_closed_once_and_after_the_last_of_them():
    told: list[str] = []

    async def door() -> None:  # ends at once, as a door does that was told to stop before the loops
        told.append("door")

    async def loop() -> None:
        try:
            while "door" not in told:
                await asyncio.sleep(0)
            raise LookupError("a role failed")
        finally:
            told.append("loop")

    async def close() -> None:
        told.append("closed")

    with pytest.raises(LookupError):
        await run_roles({"door": door, "loop": loop}, close)
    assert told == ["door", "loop", "closed"]


async def test_a_role_that_is_done_ends_no_other():
    done = asyncio.Event()

    async def once() -> None:
        done.set()

    async def later() -> None:
        await done.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        await run_roles({"once": once, "later": later})


SERVER = """
    import asyncio, sys
    from libs.common.running import process
    from libs.common.running.settings import CommonSettings

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await asyncio.sleep(0.3)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    settings = CommonSettings(port=int(sys.argv[1]))
    process.main({"api": lambda: process.serve(app, settings)})
"""


def spawn(code: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **REQUIRED, **environment}, stderr=subprocess.PIPE)


async def test_a_server_told_to_stop_answers_what_it_was_asked_and_exits_cleanly(unused_tcp_port: int):
    server = spawn(SERVER, str(unused_tcp_port))

    async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            return await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        except OSError:
            return None

    reader, writer = await until(connected)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(0.1)
    server.send_signal(signal.SIGTERM)
    assert (await reader.read()).endswith(b"ok")
    writer.close()
    assert await asyncio.to_thread(server.wait, 10) == 0, server.stderr.read()  # type: ignore[union-attr]
    server.stderr.close()  # type: ignore[union-attr]


CHILD = """
    import sys, time
    from libs.common.running.process import become_child
    become_child()
    print("alive", flush=True)
    time.sleep(60)
"""
PARENT = """
    import os, subprocess, sys
    child = subprocess.Popen(
        [sys.executable, "-c", sys.argv[1]], env={**os.environ, "SAMTYKKEBRO_PARENT_PID": str(os.getpid())},
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    open(sys.argv[2], "w").write(str(child.pid))
    child.wait()
"""


async def test_a_child_dies_with_its_supervisor(tmp_path: Path):
    note = tmp_path / "pid"
    parent = spawn(PARENT, textwrap.dedent(CHILD), str(note))

    async def written() -> int:
        return int(note.read_text() or 0) if note.exists() else 0

    child = await until(written)
    parent.kill()
    parent.communicate()

    async def gone() -> bool:
        try:
            status = Path(f"/proc/{child}/stat").read_text()
        except OSError:
            return True
        return status.rpartition(")")[2].split()[0] in "ZX"

    await until(gone)


def test_a_child_whose_supervisor_is_another_process_does_not_start():
    orphan = spawn(CHILD, SAMTYKKEBRO_PARENT_PID="1")
    orphan.communicate(timeout=20)
    assert orphan.returncode == os.EX_SOFTWARE


async def test_a_loop_that_breaks_begins_anew_and_ends_no_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "RESTART_MIN_S", 0.001)
    conditions = Conditions()
    monkeypatch.setattr("libs.common.running.health.STUCK_AFTER_S", 0.0)
    runs = 0
    works = asyncio.Event()

    async def breaking() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise LookupError("what came in")
        works.set()
        await asyncio.Event().wait()

    async def door() -> None:
        await works.wait()
        assert dict(conditions.lasting()) == {"loop:breaking": "broken"}
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    broken = LOOPS_BROKEN.labels("breaking")._value.get()
    async with asyncio.timeout(10):
        await run_roles({"api": door, "breaking": partial(health.kept_running, "breaking", breaking, conditions)})
    assert runs == 4
    assert LOOPS_BROKEN.labels("breaking")._value.get() == broken + 3


async def test_a_loop_that_works_again_is_no_longer_a_condition(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "RESTART_MIN_S", 0.001)
    monkeypatch.setattr(health, "STEADY_S", 0.02)
    conditions = Conditions()
    runs = 0

    async def breaking_once() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise LookupError
        await asyncio.Event().wait()

    running = asyncio.create_task(health.kept_running("life", breaking_once, conditions))
    await until(lambda: _is(bool(conditions.lasting(0.0))))
    await until(lambda: _is(not conditions.lasting(0.0)))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _is(what: bool) -> bool:
    return what


FAILING = """
    from libs.common.observing import log
    from libs.common.running import process
    log.configure("consent", "api")

    async def failing():
        raise ValueError("what came in")

    process.main({"api": failing})
"""


def test_what_ends_a_process_is_logged_without_its_text():
    failing = spawn(FAILING)
    _, err = failing.communicate(timeout=20)
    assert (failing.returncode, err) == (1, b"")
