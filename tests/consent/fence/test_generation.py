"""A consent database that lost commits: restored from a backup, its generation raised by the service's own role."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest

from libs.common.outbox.generation import ENTRY_TYPE
from libs.common.wire.permits import Revealed
from tests.consent.world.fence_world import CATEGORY, World, an_item
from tests.servers import ROOT, Postgres, TestDatabase

RAISED = {"numbering": "1 → 2", "fence": "1 → 2"}


def raised(service: str, owner_url: str, **told: str) -> subprocess.CompletedProcess[str]:
    """`python -m services.<service> generation`, as the owner of the database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMTYKKEBRO_")}
    environment = kept | {"SAMTYKKEBRO_MIGRATION_DATABASE_URL": owner_url} | told
    command = (sys.executable, "-m", f"services.{service}", "generation")
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def says(done: subprocess.CompletedProcess[str], service: str) -> dict[str, str]:
    """Number → `old → new`, from what the role wrote. Fails where it did not do it."""
    assert (done.returncode, done.stderr) == (0, "")
    words = [line.removeprefix(f"{service}: ").split(" generation ") for line in done.stdout.splitlines()]
    return dict(words)


@pytest.fixture
def copies(postgres: Postgres, consent_database: TestDatabase) -> Iterator[list[str]]:
    names: list[str] = []
    yield names
    for name in names:
        postgres.drop(name)


@pytest.fixture
async def restored(
    world: World, postgres: Postgres, consent_database: TestDatabase, copies: list[str]
) -> AsyncIterator[tuple[World, UUID, UUID]]:
    """A backup with one consent, in the place of a database that went on: (its world, the citizen, the holder)."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    await world.database.close()
    copies.append(postgres.create("consent_owner", template=consent_database.name))
    url, owner_url = postgres.url("consent", copies[0]), postgres.url("consent_owner", copies[0])
    there = World.on(url, owner_url)
    yield there, borger_id, holder_id
    await there.database.close()


async def test_what_was_handed_out_before_opens_nothing_and_the_way_to_stop_is_open(
    world: World, restored: tuple[World, UUID, UUID]
) -> None:
    there, borger_id, holder_id = restored
    handed_out = await world.item(borger_id)  # by the database that is lost
    assert says(raised("consent", there.owner_url), "consent") == RAISED
    assert await there.acquire(holder_id, handed_out) == []
    consent = await there.grant(borger_id)
    anew = await there.item(borger_id)
    assert len(await there.acquire(holder_id, anew)) == 1
    assert anew.reveals[0].epoch >= 2 << 40
    await there.settle(holder_id, anew.permit_id)
    assert await there.drained(await there.withdraw(consent))
    assert await there.acquire(holder_id, await there.item(borger_id)) == []


async def test_a_permit_of_the_generation_before_is_waited_for(restored: tuple[World, UUID, UUID]) -> None:
    there, borger_id, holder_id = restored
    item = await there.item(borger_id)
    assert len(await there.acquire(holder_id, item)) == 1
    await there.database.close()
    says(raised("consent", there.owner_url), "consent")
    withdrawal = await there.withdraw(await there.grant(borger_id))
    assert not await there.drained(withdrawal)
    await there.settle(holder_id, item.permit_id)
    assert await there.drained(withdrawal)


async def test_it_is_on_the_record(restored: tuple[World, UUID, UUID]) -> None:
    there, *_ = restored
    says(raised("consent", there.owner_url), "consent")
    entry = await there.value("SELECT convert_from(payload, 'UTF8')::jsonb FROM outbox WHERE type = $1", ENTRY_TYPE)
    for part in (
        '"actor": "operator"',
        '"outcome": "success"',
        '"fence_generation": "2"',
        '"numbering_generation": "2"',
    ):
        assert part in entry


async def test_a_backup_that_is_restored_again_goes_beyond_what_was_in_use_since(
    restored: tuple[World, UUID, UUID],
) -> None:
    there, borger_id, holder_id = restored
    # By the generation that the first restore began.
    handed_out = an_item(Revealed(borger_id=borger_id, category=CATEGORY, epoch=2 << 40))
    done = raised("consent", there.owner_url, SAMTYKKEBRO_GENERATION_ABOVE="2")
    assert says(done, "consent") == {"numbering": "1 → 3", "fence": "1 → 3"}
    assert await there.acquire(holder_id, handed_out) == []


async def test_it_is_refused_while_the_service_is_connected(restored: tuple[World, UUID, UUID]) -> None:
    there, *_ = restored
    async with there.database.read():
        done = raised("consent", there.owner_url)
    assert (done.returncode, done.stdout) == (os.EX_TEMPFAIL, "")
    assert "stop its processes first" in done.stderr
    assert await there.value("SELECT generation FROM fence_generation") == 1
    assert await there.entries(ENTRY_TYPE) == 0


@pytest.mark.parametrize("above", ["-1", "x", "99999999", ""])
def test_a_number_that_is_none_is_refused_by_name(consent_database: TestDatabase, above: str) -> None:
    done = raised("consent", consent_database.owner_url, SAMTYKKEBRO_GENERATION_ABOVE=above)
    assert done.returncode == os.EX_CONFIG
    assert "SAMTYKKEBRO_GENERATION_ABOVE" in done.stderr


@pytest.mark.parametrize("service", ["advis", "audit"])
def test_the_other_services_number_anew(service: str, request: pytest.FixtureRequest) -> None:
    database: TestDatabase = request.getfixturevalue(f"{service}_database")
    for change in ("1 → 2", "2 → 3"):
        assert says(raised(service, database.owner_url), service) == {"numbering": change}


def test_a_database_that_is_away_is_a_reason_and_no_trace() -> None:
    done = raised("audit", "postgresql+asyncpg://audit_owner:hemmeligt@127.0.0.1:1/audit")
    assert done.returncode == os.EX_UNAVAILABLE
    assert "Traceback" not in done.stderr
    assert "hemmeligt" not in done.stderr
