"""How a process is put together: which loops it runs, and what ends it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from libs.common.running.operations import observe_storage
from libs.common.running.settings import CommonSettings
from libs.common.service.composition import DOOR, Parts, loops_of
from services.advis import app as advis
from services.audit import app as audit
from services.consent import app as consent
from tests.servers import TestDatabase
from tests.waiting import until


class BrokenError(Exception):
    pass


async def broken(_own: object) -> None:
    raise BrokenError


@pytest.fixture
async def parts(plain_database: TestDatabase) -> AsyncIterator[Parts[CommonSettings]]:
    settings = CommonSettings(
        database_url=plain_database.url,
        bus_url="kafka://127.0.0.1:1",
        issuer_url="http://issuer.test",
        audience="test",
    )
    parts = Parts.of("test", settings)
    yield parts
    await parts.close()


async def test_a_door_that_fails_ends_its_process_and_a_loop_begins_anew(parts: Parts[CommonSettings]) -> None:
    loops = loops_of(parts, {DOOR: {DOOR: broken}, "worker": {"life": broken}}, parts, {})
    assert set(loops) == {DOOR, "life", "operations"}
    with pytest.raises(BrokenError):
        await loops[DOOR]()
    running = asyncio.ensure_future(loops["life"]())

    async def is_seen() -> bool:
        return dict(parts.conditions.lasting(0)) == {"loop:life": "broken"}

    await until(is_seen)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("role", "watched"),
    [("relay", {"outbox"}), ("worker", {"storage"}), ("consumer", set()), (DOOR, set())],
)
async def test_each_figure_is_watched_by_the_role_that_it_is_about(
    role: str, watched: set[str], parts: Parts[CommonSettings]
) -> None:
    operations: Any = loops_of(parts, {role: {role: broken}}, parts, {"storage": observe_storage})["operations"]
    assert set(operations.args[1].keywords["observers"]) == watched | {"bus"}


@pytest.mark.parametrize("roles", [consent.ROLES, advis.ROLES, audit.ROLES], ids=["consent", "advis", "audit"])
def test_every_service_has_the_same_roles_and_each_loop_a_name_of_its_own(roles: Mapping[str, Any]) -> None:
    assert list(roles) == [DOOR, "consumer", "relay", "worker"]
    names = [name for loops in roles.values() for name in loops]
    assert len(names) == len(set(names))
    assert "operations" not in names
