"""The fence is proven in the world that consent's own tests act in."""

from collections.abc import AsyncIterator

import pytest

from tests.consent.world.fence_world import World
from tests.servers import TestDatabase


@pytest.fixture
async def world(consent_database: TestDatabase) -> AsyncIterator[World]:
    world = World.on(consent_database.url, consent_database.owner_url)
    yield world
    await world.database.close()
