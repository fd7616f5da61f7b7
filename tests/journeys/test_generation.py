"""Consent's database restored from an older backup, with the operator's command: the log shows a generation, no gap."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx2
import pytest
from sqlalchemy import make_url

from libs.cli.demo.actors import Door, SourceSystem
from libs.cli.installation.postgres import PostgresServer
from libs.cli.issuer.login import client_token
from libs.cli.running.up import System, running_system
from libs.cli.verifying.audit_verify import verify_with
from libs.common.outbox.generation import ENTRY_TYPE
from tests import servers
from tests.cli.running.test_up import client_of
from tests.cli.world.places import server_folder
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]
_BY_GENERATION = (
    "SELECT generation, count(*) FILTER (WHERE type = 'citizen.resolved') AS acts,"
    " count(*) FILTER (WHERE type = $1) AS raised"
    " FROM leaf WHERE producer = 'consent' GROUP BY generation"
)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with server_folder() as folder:
        yield folder


def command(state_dir: Path, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    """`samtykkebro generation raise`, on the installation in this folder."""
    told = {**os.environ, "SAMTYKKEBRO_STATE_DIR": str(state_dir), "COLUMNS": "200"}
    line = (sys.executable, "-m", "libs.cli", "generation", "raise", *words)
    return subprocess.run(line, env=told, input=answer, capture_output=True, text=True, timeout=120, check=False)


def on_the_server(state_dir: Path, *statements: str) -> None:
    """Administrator's statements, while everything else is stopped."""

    async def run(url: str) -> None:
        session = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(False))
        for statement in statements:
            await session.execute(statement)
        await session.close()

    with PostgresServer.start(state_dir / "postgres") as server:
        servers.aside(run(server.admin_url))


async def looked_up(system: System, http: httpx2.AsyncClient, *, logged: dict[int, tuple[int, int]]) -> None:
    """A source looks one citizen up three times; returns when the log holds this: generation → (acts, raisings)."""
    known = system.clients["fasit"]
    token = await client_token(system.urls["issuer"], known.client_id, known.client_secret, "consent")
    fasit = SourceSystem("fasit", door := Door(http, system.urls["consent"], token), door)
    for _ in range(3):
        await fasit.resolve(system.cpr_numbers["morten"])
    log = await asyncpg.connect(system.databases["audit"].owner.replace("+asyncpg", ""))

    seen: dict[int, tuple[int, int]] = {}

    async def whole() -> bool:
        rows = await log.fetch(_BY_GENERATION, ENTRY_TYPE)
        seen.update({row["generation"]: (row["acts"], row["raised"]) for row in rows})
        return seen == logged

    try:
        await until(whole, 60)
    except TimeoutError:
        pytest.fail(f"the log holds {seen}")
    finally:
        await log.close()


async def test_a_restored_consent_goes_on_with_a_new_generation_and_the_log_has_no_gap(
    state_dir: Path, http_client: httpx2.AsyncClient
) -> None:
    async with running_system("embedded", state_dir) as system:
        await looked_up(system, http_client, logged={1: (3, 0)})
        refused = command(state_dir, "--yes")
        assert (refused.returncode, "another process" in refused.stderr) == (1, True)
    on_the_server(state_dir, "CREATE DATABASE backup TEMPLATE consent")
    async with running_system("embedded", state_dir) as system:
        await looked_up(system, http_client, logged={1: (6, 0)})
    on_the_server(state_dir, "DROP DATABASE consent", "CREATE DATABASE consent OWNER consent_owner TEMPLATE backup")
    asked = command(state_dir, "--service", "consent", answer="n\n")
    assert asked.returncode == 1
    assert "cannot be taken back" in asked.stdout
    done = command(state_dir, "--yes", "--service", "consent")
    assert (done.returncode, done.stderr) == (0, "")
    assert "consent: fence generation 1 → 2\nconsent: numbering generation 1 → 2\n" in done.stdout
    async with running_system("embedded", state_dir) as system:
        await looked_up(system, http_client, logged={1: (6, 0), 2: (3, 1)})
        async with client_of(system, "auditor", "audit") as client:
            verdict = await verify_with(client)
        assert (verdict.findings, verdict.gaps) == ((), ())
