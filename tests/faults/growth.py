"""How much every table grew during a run: rows, counted, and bytes with indexes, at its beginning and its end."""

from dataclasses import dataclass

import asyncpg

from tests.faults.world import World

SERVICES = ("consent", "advis", "audit")
_TABLES = (
    "SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
)


@dataclass(frozen=True)
class Size:
    """One table at one moment."""

    rows: int
    bytes: int


Sizes = dict[str, Size]  # by `<service>.<table>`


async def sizes(world: World) -> Sizes:
    """Every table of the three services, now."""
    found: Sizes = {}
    for service in SERVICES:
        session = await asyncpg.connect(world.database(service))
        try:
            for table in await session.fetch(_TABLES):
                rows = await session.fetchval(f'SELECT count(*) FROM "{table["name"]}"')
                found[f"{service}.{table['name']}"] = Size(rows, table["bytes"])
        finally:
            await session.close()
    return found


def growth(begun: Sizes, ended: Sizes) -> list[dict[str, int | str]]:
    """For the report: each table that has rows, the one that grew by most bytes first."""
    lines = [
        {
            "table": table,
            "rows_before": begun.get(table, Size(0, 0)).rows,
            "rows_after": size.rows,
            "bytes_before": begun.get(table, Size(0, 0)).bytes,
            "bytes_after": size.bytes,
        }
        for table, size in ended.items()
        if size.rows
    ]
    return sorted(lines, key=lambda line: int(line["bytes_before"]) - int(line["bytes_after"]))
