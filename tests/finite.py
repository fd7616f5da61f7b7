"""That no column which a caller fills takes an infinite moment or day: tries it, and lists the columns that would."""

from collections.abc import Mapping

import asyncpg

EXAMPLES = {
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "bytea": "uuid_send(gen_random_uuid())",
    "ARRAY": "'{}'",
    "jsonb": "'{}'",
    "boolean": "false",
    "date": "current_date",
    "timestamp with time zone": "now()",
    **dict.fromkeys(("integer", "bigint", "smallint"), "1"),
}
STATED = {"notification": {"state": "'unread'"}}
"""What a row of a table must say beside the examples."""

_COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns"
    " WHERE table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'"
)
_DATED = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    " AND data_type IN ('date', 'timestamp with time zone')"
)
_CHECKS = (
    "SELECT conrelid::regclass::text AS name, pg_get_constraintdef(oid) AS says FROM pg_constraint WHERE contype = 'c'"
)


async def insert(session: asyncpg.Connection, table: str, given: Mapping[str, str]) -> None:
    """A row with these SQL expressions, and an example in every other column that needs one."""
    needed = {row["column_name"]: EXAMPLES[row["data_type"]] for row in await session.fetch(_COLUMNS, table)}
    row = needed | STATED.get(table, {}) | dict(given)
    await session.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})")


async def unguarded(session: asyncpg.Connection) -> set[str]:
    """The columns of moments and days, as table.column, that would take infinity."""
    checks = [(row["name"], row["says"]) for row in await session.fetch(_CHECKS)]
    return {
        f"{row['table_name']}.{row['column_name']}"
        for row in await session.fetch(_DATED)
        if not any(name == row["table_name"] and f"isfinite({row['column_name']})" in says for name, says in checks)
    }
