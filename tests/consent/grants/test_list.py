"""The list of a citizen's consents, page by page."""

from uuid import UUID

import asyncpg

from tests.consent.world.door import Door
from tests.servers import TestDatabase


async def test_one_unreadable_consent_hides_no_other_on_any_page(door: Door, consent_database: TestDatabase):
    peter = await door.citizen()
    given = [(await door.grant(peter)).json()["consent"]["consent_id"] for _ in range(5)]
    session = await asyncpg.connect(consent_database.owner_url.replace("+asyncpg", ""))
    try:
        for consent_id in (given[1], given[3]):
            await session.execute("UPDATE consent SET status = 'unknown' WHERE consent_id = $1", UUID(consent_id))
    finally:
        await session.close()
    path, shown, query = f"/v1/citizens/{peter.borger_id}/consents", [], "?limit=2"
    while query:
        page = (await door.call("GET", f"{path}{query}", peter.token)).json()
        shown += [item["consent_id"] for item in page["items"]]
        query = f"?limit=2&cursor={page['next']}" if page["next"] else ""
    assert shown == [given[4], given[2], given[0]]
