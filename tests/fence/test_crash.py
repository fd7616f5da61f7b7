"""A crash of PostgreSQL itself, between the answer to a withdrawal and whatever comes next (`docs/fence.md`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.cli.installation.postgres import PostgresServer
from tests.consent.world.fence_world import World
from tests.servers import Postgres

# What no commit waits for reaches the disk late, so that a crash surely loses it.
SLOW_TO_WRITE = {"fsync": "off", "full_page_writes": "off", "wal_writer_delay": "10s"}


@pytest.fixture
def folder(server_directory: Path) -> Path:
    return server_directory / "crashing"


@contextmanager
def started(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer.start(folder, settings=SLOW_TO_WRITE)
    yield server
    server.stop("immediate")  # no checkpoint and no goodbye: the next start recovers from what was written


async def test_a_withdrawal_that_was_answered_survives_a_crash_of_the_database(folder: Path) -> None:
    with started(folder) as server:
        postgres = Postgres(server.admin_url)
        name = postgres.template("consent")
        world = World.on(postgres.url("consent", name), postgres.url("consent_owner", name))
        borger_id, holder_id = await world.citizen(), await world.holder()
        consent = await world.grant(borger_id)
        used, unused = await world.item(borger_id), await world.item(borger_id)
        assert len(await world.acquire(holder_id, used)) == 1
        await world.settle(holder_id, used.permit_id)
        await world.citizen()  # by a session that surely waits: all before it is on the disk
        assert await world.drained(await world.withdraw(consent))
        await world.database.close()
    with started(folder):
        assert await world.value("SELECT count(*) FROM consent WHERE borger_id = $1", borger_id) == 1
        restarted = World.on(world.url, world.owner_url)
        assert await restarted.acquire(holder_id, unused) == []
        assert await world.value("SELECT count(drained_at) FROM withdrawal WHERE borger_id = $1", borger_id) == 1
        await restarted.database.close()
