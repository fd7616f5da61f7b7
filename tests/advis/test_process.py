"""Advis as a process: it starts in every role, answers, stops when told, and refuses to disclose unsupervised."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import httpx2
import pytest

from libs.cli.installation.secrets import prepare
from libs.common.bus.port import Bus, load_topics
from tests.operator import write_parking_keys
from tests.servers import ROOT, TestDatabase
from tests.waiting import until


@pytest.fixture
def environment(advis_database: TestDatabase, bus_url: str, settings, tmp_path) -> dict[str, str]:
    secret = tmp_path / "client-secret"
    secret.write_text("not-used-in-this-test")
    prepare(tmp_path / "secrets")
    write_parking_keys(tmp_path / "secrets" / "advis")
    ours = {
        "PROFILE": "development",
        "PORT": str(settings.port),
        "DATABASE_URL": advis_database.url,
        "BUS_URL": bus_url,
        "ISSUER_URL": "http://127.0.0.1:1",
        "CONSENT_URL": "http://127.0.0.1:1",
        "CLIENT_ID": "advis",
        "CLIENT_SECRET_FILE": str(secret),
        "SECRETS_DIR": str(tmp_path / "secrets" / "advis"),
        "HOLDER_ID": str(uuid4()),
        "HOLDER_TOKEN": "holder.secret",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMTYKKEBRO_")}
    return kept | {f"SAMTYKKEBRO_{name}": value for name, value in ours.items()}


@asynccontextmanager
async def process(role: str, environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "services.advis", role)
    running = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def test_it_starts_in_every_role_at_once_and_stops_when_told(environment, embedded_bus: Bus, settings):
    await embedded_bus.ensure_topics(load_topics(ROOT / "deploy" / "kafka" / "topics.yaml"))
    async with process("all", environment) as running, httpx2.AsyncClient() as http:

        async def ready() -> bool:
            assert running.returncode is None
            with suppress(httpx2.ConnectError):
                return (await http.get(f"http://127.0.0.1:{settings.port}/health/ready")).status_code == 200
            return False

        await until(ready, 30)
        running.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(running.communicate(), 20)
    assert (running.returncode, err) == (0, b"")
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["service"] for line in lines} == {"advis"}
    assert not [line for line in lines if line["level"] == "error"], lines


@pytest.mark.parametrize("role", ["api", "worker", "all"])
async def test_what_discloses_does_not_start_without_a_supervisor(role, environment):
    del environment["SAMTYKKEBRO_HOLDER_TOKEN"]
    async with process(role, environment) as running:
        _, err = await asyncio.wait_for(running.communicate(), 20)
    assert running.returncode != 0
    assert b"SAMTYKKEBRO_HOLDER_TOKEN" in err
