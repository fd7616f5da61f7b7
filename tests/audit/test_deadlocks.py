"""A search that PostgreSQL sacrifices to another request is made again, and recorded once."""

import json

from libs.common.database.database import Database
from services.audit.log.consumer import EntryHandler
from services.audit.settings import Settings
from tests.audit.world.doors import bearer, door
from tests.audit.world.records import MORTEN, a_delivery, ingest, rows
from tests.deadlock import sacrificed
from tests.servers import Postgres, TestDatabase


async def test_a_search(
    settings: Settings, handler: EntryHandler, database: Database, postgres: Postgres, audit_database: TestDatabase
) -> None:
    await ingest(handler, database, [a_delivery(1)])
    async with door(settings) as client:
        call = client.get("/v1/entries", params={"subject": str(MORTEN)}, headers=bearer("dpo"))
        answer = await sacrificed(postgres, audit_database, call, first="subject_key", second="outbox")
    assert [item["index"] for item in answer.json()["items"]] == [0]
    recorded = [json.loads(row.payload)["type"] for row in await rows(database, "SELECT payload FROM outbox")]
    assert recorded == ["entries.searched"]
