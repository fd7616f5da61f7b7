"""Who reads the log is named in the record of the reading: a name that the record cannot hold is no name."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from libs.common.database.database import Database
from services.audit.settings import Settings
from tests import hostile
from tests.audit.world.doors import bearer, door
from tests.audit.world.records import rows

MORTEN = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with door(settings) as client:
        yield client


@pytest.mark.parametrize(
    "claims",
    [
        {"subject": "kk901\n"},
        {"subject": "a" * 256},
        {"subject": f"kk{hostile.NUMBER}"},
        {"client_id": "a" * 256},
        {"unit": "BIF\n"},
        {"unit": "BIF\u200b"},
        {"unit": "A" * 65},
    ],
    ids=ascii,
)
async def test_a_caller_without_a_form_is_not_let_in_and_leaves_no_entry(
    client: httpx2.AsyncClient, database: Database, claims: dict[str, str]
) -> None:
    answer = await client.get("/v1/entries", params={"subject": MORTEN}, headers=bearer("dpo", **claims))
    assert answer.status_code == 401
    assert await rows(database, "SELECT 1 FROM outbox") == []


async def test_the_longest_name_that_openid_connect_allows_is_on_the_record_whole(
    client: httpx2.AsyncClient, database: Database
) -> None:
    headers = bearer("dpo", subject="a" * 255, client_id="b" * 255)
    assert (await client.get("/v1/entries", params={"subject": MORTEN}, headers=headers)).status_code == 200
    (row,) = await rows(database, "SELECT payload FROM outbox WHERE type = 'entries.searched'")
    assert "a" * 255 in bytes(row.payload).decode()


@pytest.mark.parametrize("actor", [hostile.NUMBER, f"u{hostile.NUMBER}", "bif101\n", "a" * 256, "bif 101"], ids=ascii)
async def test_nobody_is_searched_for_under_such_a_name(
    client: httpx2.AsyncClient, database: Database, actor: str
) -> None:
    answer = await client.get("/v1/entries", params={"actor": actor}, headers=bearer("dpo"))
    assert answer.status_code == 422
    assert hostile.NUMBER not in answer.text
    assert await rows(database, "SELECT 1 FROM outbox") == []
