"""Nothing of a service is global to its process: two with databases and settings of their own run side by side."""

from collections.abc import AsyncIterator

import pytest

from libs.common.wire.permits import PermitItem
from services.consent.model.scope import ScopeKey
from services.consent.scopes.scopes import tied
from tests.consent.decision.test_unit_mapping import ELSEWHERE, may, merged
from tests.consent.world.catalogue_world import TARGET, arrive
from tests.consent.world.fence_world import PURPOSE, RECIPIENT, World, an_item
from tests.servers import Postgres


@pytest.fixture
async def other(postgres: Postgres) -> AsyncIterator[World]:
    """A second service of the same kind, in the same process, on a database of its own."""
    with postgres.database("consent", owner="consent_owner", template=postgres.template("consent")) as database:
        world = World.on(database.url, database.owner_url)
        yield world
        await world.database.close()


async def permitted(world: World, recipient: str) -> tuple[list[PermitItem], bool]:
    """What a citizen of this world, who consents for RECIPIENT, lets arrive at and be told to `recipient`."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    openings = (await arrive(world, borger_id)).openings
    items = [an_item(*one.reveals, recipient_unit=one.recipient_unit) for one in openings]
    for item in items:
        assert await world.acquire(holder_id, item)
    return items, await may(world, borger_id, recipient)


async def test_each_decides_by_its_own_catalogue(world: World, other: World) -> None:
    await merged(other)
    ours, theirs = await permitted(world, RECIPIENT), await permitted(other, TARGET)
    assert ([item.recipient_unit for item in ours[0]], ours[1]) == ([RECIPIENT], True)
    assert ([item.recipient_unit for item in theirs[0]], theirs[1]) == ([TARGET], True)
    assert not (await permitted(world, TARGET))[1]
    assert not (await permitted(other, ELSEWHERE))[1]


async def test_each_locks_what_its_own_catalogue_ties_together(world: World, other: World) -> None:
    await permitted(world, RECIPIENT)
    await merged(other)
    await permitted(other, TARGET)
    key = ScopeKey(await world.citizen(), PURPOSE, RECIPIENT)
    async with world.database.write() as session:
        assert await tied(session, {key}) == {key}
    async with other.database.write() as session:
        assert await tied(session, {key}) == {key, key._replace(recipient_unit=TARGET)}
