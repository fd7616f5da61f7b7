"""What lies in the advis database, as an administrator would look."""

from typing import Any

import orjson
from sqlalchemy import text

from libs.common.database.database import Database


async def rows(database: Database, query: str, **values: Any) -> list[Any]:
    async with database.read() as session:
        return list(await session.execute(text(query), values))


async def value(database: Database, query: str, **values: Any) -> Any:
    return (await rows(database, query, **values))[0][0]


async def audit_entries(database: Database, kind: str | None = None) -> list[dict[str, Any]]:
    """The audit entries that wait in the outbox, oldest first."""
    found = await rows(database, "SELECT payload FROM outbox WHERE topic = 'audit.entries' ORDER BY id")
    entries = [orjson.loads(bytes(row.payload)) for row in found]
    return [entry for entry in entries if kind in {None, entry["type"]}]


async def states(database: Database) -> list[str]:
    return [row.state for row in await rows(database, "SELECT state FROM notification ORDER BY arrived_at")]
