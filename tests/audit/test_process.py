"""The service as a process of its own: every role in one, ready, signing, and gone when asked."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx2
import pytest

from libs.common.bus.port import Bus, load_topics
from services.audit.checkpoints.key import LogKey
from tests.audit.conftest import ORIGIN
from tests.servers import ROOT, TestDatabase

DEADLINE_S = 60


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(database: TestDatabase, bus_url: str, secrets_dir: Path, port: int) -> dict[str, str]:
    told = {
        "PROFILE": "development",
        "PORT": str(port),
        "DATABASE_URL": database.url,
        "BUS_URL": bus_url,
        "ISSUER_URL": "http://127.0.0.1:9",
        "CONSENT_URL": "http://127.0.0.1:9",
        "SECRETS_DIR": str(secrets_dir),
        "LOG_ORIGIN": ORIGIN,
        "CHECKPOINT_EVERY_S": "1",
        "CHECKPOINT_FILE": str(secrets_dir / "last-checkpoint"),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMTYKKEBRO_")}
    return kept | {f"SAMTYKKEBRO_{name}": value for name, value in told.items()}


async def start(*arguments: str, env: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.audit", *arguments, cwd=ROOT, env=env, stderr=asyncio.subprocess.PIPE
    )


async def test_all_roles_run_in_one_process_sign_and_stop_when_asked(
    audit_database: TestDatabase, bus_url: str, secrets_dir: Path, log_key: LogKey
) -> None:
    port = free_port()
    process = await start("all", env=environment(audit_database, bus_url, secrets_dir, port))
    try:
        async with asyncio.timeout(DEADLINE_S), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            note = None
            while note is None:
                assert process.returncode is None, await process.communicate()
                try:
                    ready, answer = await client.get("/health/ready"), await client.get("/v1/checkpoint")
                    note = answer.text if (ready.status_code, answer.status_code) == (200, 200) else None
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)
        assert log_key.open(note).size == 0
        assert (secrets_dir / "last-checkpoint").read_text(encoding="utf-8") == note
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert (process.returncode, errors) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("role", ["api", "consumer", "relay", "worker"])
async def test_every_role_shows_its_figures_and_readiness_to_the_operator(
    audit_database: TestDatabase, embedded_bus: Bus, bus_url: str, secrets_dir: Path, role: str
) -> None:
    await embedded_bus.ensure_topics(load_topics(ROOT / "deploy" / "kafka" / "topics.yaml"))
    port = free_port()
    env = environment(audit_database, bus_url, secrets_dir, free_port()) | {"SAMTYKKEBRO_METRICS_PORT": str(port)}
    process = await start(role, env=env)
    try:
        async with asyncio.timeout(DEADLINE_S), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            ready = None
            while ready is None:
                assert process.returncode is None, await process.communicate()
                try:
                    ready = await client.get("/health/ready")
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)
            figures = (await client.get("/metrics")).text
        assert ready.status_code == 200
        assert 'samtykkebro_pool_connections{pool="writer"}' in figures
        assert ("samtykkebro_table_bytes{" in figures) is (role == "worker")
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


@pytest.mark.parametrize("arguments", [(), ("everything",), ("api", "relay")])
async def test_a_role_that_does_not_exist_is_refused(arguments: tuple[str, ...]) -> None:
    process = await start(*arguments, env=dict(os.environ))
    _, errors = await process.communicate()
    assert process.returncode == 64
    assert b"usage" in errors


async def test_a_signer_with_the_key_of_another_log_does_not_start(
    audit_database: TestDatabase, bus_url: str, secrets_dir: Path
) -> None:
    env = environment(audit_database, bus_url, secrets_dir, 1) | {"SAMTYKKEBRO_LOG_ORIGIN": "another.test/audit"}
    process = await start("worker", env=env)
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode not in {0, None}
    assert b"another log" in errors
