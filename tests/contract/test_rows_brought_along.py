"""Migrations that rewrite rows: what an older installation kept is brought along; up, down and up again."""

from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from libs.common.bus.port import Bus, OutgoingRecord, Topic, unpack_headers
from tests import finite
from tests.servers import Postgres, TestDatabase, alembic

SYSTEM, UNNAMED = "urn:samtykkebro:source:domus", "urn:samtykkebro:consent"
NAMED = f"domus|{SYSTEM}"
PERSON = "00000000-0000-4000-8000-000000000001"
HEADERS = '[["ce_id", "1"], ["navn", "blåbær €"], ["bell", "\\u0007"], ["none", null]]'
HEADERS_KEPT = "SELECT headers FROM outbox"
UNPACKED = (("ce_id", b"1"), ("navn", "blåbær €".encode()), ("bell", b"\x07"), ("none", None))


@dataclass(frozen=True)
class Rewriting:
    """One migration: the rows of the revision before it, and what a query finds before and after it."""

    service: str
    before: str
    after: str
    rows: tuple[tuple[str, dict[str, str]], ...]
    query: str
    found_before: Any
    found_after: Any


def named(service: str, before: str, after: str, *columns: tuple[str, str]) -> Rewriting:
    rows = tuple((table, {column: f"'{source}'"}) for table, column in columns for source in (SYSTEM, UNNAMED))
    query = " UNION ALL ".join(f"SELECT '{table}' AS t, {column} AS s FROM {table}" for table, column in columns)
    old, new = (
        sorted((table, source) for table, _ in columns for source in (first, UNNAMED)) for first in (SYSTEM, NAMED)
    )
    return Rewriting(service, before, after, rows, query, old, new)


def outbox(service: str, before: str, after: str) -> Rewriting:
    rows = (("outbox", {"headers": f"'{HEADERS}'", "key": "'k'"}),)
    return Rewriting(service, before, after, rows, HEADERS_KEPT, None, UNPACKED)


FACTS = Rewriting(
    "consent",
    "0008",
    "0009",
    (
        (
            "citizen",
            {
                "borger_id": f"'{PERSON}'",
                "died_on": "'2026-03-01'",
                "moved_out_on": "'2026-01-01'",
                "moved_in_on": "'2026-07-01'",
            },
        ),
        ("citizen", {}),
        (
            "case_fact",
            {
                "borger_id": f"'{PERSON}'",
                "unit": "'SOF-BCV'",
                "case_reference": "'7'",
                "opened_at": "'2026-01-01T08:00Z'",
                "closed_at": "'2026-02-01T09:00Z'",
            },
        ),
    ),
    "SELECT event_id, type, to_char(at AT TIME ZONE 'UTC', 'MM-DD HH24'), unit, case_reference FROM life_fact"
    " WHERE source = '|before'",
    None,
    [
        (f"closed:SOF-BCV:7:{PERSON}", "sof.sag.lukket", "02-01 09", "SOF-BCV", "7"),
        (f"died:{PERSON}", "cpr.doedsfald", "03-01 11", None, None),
        (f"in:{PERSON}", "cpr.flytning_ind", "07-01 10", None, None),
        (f"opened:SOF-BCV:7:{PERSON}", "sof.sag.aabnet", "01-01 08", "SOF-BCV", "7"),
        (f"out:{PERSON}", "cpr.flytning_ud", "01-01 11", None, None),
    ],
)
REWRITINGS = (
    named("advis", "0004", "0005", ("inbox", "source"), ("ingested", "source"), ("notification", "event_source")),
    named("consent", "0007", "0008", ("inbox", "source")),
    FACTS,
    outbox("consent", "0009", "0010"),
    outbox("advis", "0008", "0009"),
    outbox("audit", "0003", "0004"),
)


async def found(session: asyncpg.Connection, query: str) -> Any:
    rows = [tuple(row) for row in await session.fetch(query)]
    if query == HEADERS_KEPT:
        ((headers,),) = rows
        return unpack_headers(headers)
    return sorted(rows, key=lambda row: row[:2])


@pytest.mark.parametrize("case", REWRITINGS, ids=lambda case: f"{case.service}-{case.after}")
async def test_rows_are_brought_along_up_down_and_up_again(postgres: Postgres, case: Rewriting) -> None:
    postgres.role(f"{case.service}_owner")
    postgres.role(case.service)
    with postgres.database(case.service, owner=f"{case.service}_owner") as database:
        alembic(case.service, database.owner_url, "upgrade", case.before)
        session = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
        try:
            for table, row in case.rows:
                await finite.insert(session, table, row)
            for step, revision in (("upgrade", case.after), ("downgrade", case.before), ("upgrade", case.after)):
                alembic(case.service, database.owner_url, step, revision)
                if step == "upgrade":
                    assert await found(session, case.query) == case.found_after
                elif case.found_before is not None:
                    assert await found(session, case.query) == case.found_before
                elif case.query == HEADERS_KEPT:
                    assert await session.fetchval("SELECT headers = $1::jsonb FROM outbox", HEADERS)
                for table in {table for table, _ in case.rows}:
                    kept = sum(other == table for other, _ in case.rows)
                    assert await session.fetchval(f"SELECT count(*) FROM {table}") == kept
        finally:
            await session.close()


OLDER_BUS = """
CREATE TABLE bus_partition (
  topic text, partition integer, next_offset bigint NOT NULL DEFAULT 0, PRIMARY KEY (topic, partition));
CREATE TABLE bus_record (
  topic text, partition integer, "offset" bigint, key text NOT NULL, headers bytea NOT NULL, value bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (topic, partition, "offset"));
INSERT INTO bus_partition VALUES ('t', 0, 2);
INSERT INTO bus_record VALUES ('t', 0, 0, 'nøgle \\x00', '[["a", "b"]]', 'v0'), ('t', 0, 1, '', '[]', 'v1');
"""
"""The embedded bus's tables while a key was text, with two records."""


async def test_records_of_a_bus_whose_keys_were_text_are_brought_along(
    bus_database: TestDatabase, embedded_bus: Bus
) -> None:
    session = await asyncpg.connect(bus_database.owner_url.replace("+asyncpg", ""))
    try:
        await session.execute(OLDER_BUS)
        for _ in range(2):
            await embedded_bus.ensure_topics([Topic("t", 1)])
        await embedded_bus.publish([OutgoingRecord("t", "k", (), b"v2")])
        rows = await session.fetch('SELECT "offset", key, headers, value FROM bus_record ORDER BY 1')
        assert [tuple(row) for row in rows] == [
            (0, "nøgle \\x00".encode(), b'[["a", "b"]]', b"v0"),
            (1, b"", b"[]", b"v1"),
            (2, b"k", b"[]", b"v2"),
        ]
        await session.execute("INSERT INTO bus_record VALUES ('t', 0, 3, NULL, '[]', NULL)")
    finally:
        await session.close()
