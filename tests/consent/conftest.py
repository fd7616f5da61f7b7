"""What the tests of consent share: a world on a database of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.consent.world.door import Door, opened, write_keys
from tests.consent.world.fence_world import World
from tests.servers import TestDatabase


@pytest.fixture
async def world(consent_database: TestDatabase) -> AsyncIterator[World]:
    world = World.on(consent_database.url, consent_database.owner_url)
    yield world
    await world.database.close()


@pytest.fixture
def secrets_folder(tmp_path: Path) -> Path:
    write_keys(tmp_path)
    return tmp_path


@pytest.fixture
async def door(consent_database: TestDatabase, secrets_folder: Path) -> AsyncIterator[Door]:
    async with opened(consent_database.url, secrets_folder) as door:
        yield door
