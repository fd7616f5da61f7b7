"""SQL for the case registry and for the keys of ingestion."""

from collections.abc import Collection, Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_

from libs.common.database import WriteSession
from services.advis.domain.cases import Case
from services.advis.tables import case_registry, ingested

_SAVE = """
INSERT INTO case_registry AS c (unit, case_reference, borger_id, caseworker, opened_at, closed_at, as_of)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[],
                     $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (unit, case_reference) DO UPDATE SET caseworker = excluded.caseworker, opened_at = excluded.opened_at,
    closed_at = excluded.closed_at, as_of = excluded.as_of
WHERE c.borger_id = excluded.borger_id AND c.as_of <= excluded.as_of
"""
_REMEMBER = """
INSERT INTO ingested (source, event_id, sha256, received_at)
SELECT s, e, h, $4 FROM unnest($1::text[], $2::text[], $3::bytea[]) AS k (s, e, h) ORDER BY s, e
ON CONFLICT DO NOTHING RETURNING source, event_id
"""


async def load_cases(
    session: WriteSession, keys: Collection[tuple[str, str]], citizens: Collection[UUID]
) -> dict[tuple[str, str], Case]:
    """The cases named by (unit, case reference), and every open case about `citizens`, by their key."""
    found: dict[tuple[str, str], Case] = {}
    columns = case_registry.c
    if keys:
        named = select(case_registry).where(tuple_(columns.unit, columns.case_reference).in_(sorted(keys)))
        locked = named.order_by(columns.unit, columns.case_reference).with_for_update()
        found |= {case.unit_key: case for case in _cases(await session.execute(locked))}
    if citizens:
        about = select(case_registry).where(columns.borger_id.in_(sorted(citizens)), columns.closed_at.is_(None))
        found |= {case.unit_key: case for case in _cases(await session.execute(about))}
    return found


async def save_cases(session: WriteSession, cases: Iterable[Case]) -> None:
    """Write the cases as they are now; one that another transaction has made newer stays as it is."""
    rows = [
        (c.unit, c.case_reference, c.borger_id, c.caseworker, c.opened_at, c.closed_at, c.as_of)
        for c in sorted(cases, key=lambda case: case.unit_key)
    ]
    if rows:
        await session.exec_driver_sql(_SAVE, tuple(list(column) for column in zip(*rows, strict=True)))


async def remember_ingested(
    session: WriteSession, events: dict[tuple[str, str], bytes], now: datetime
) -> frozenset[tuple[str, str]]:
    """Keep the SHA-256 of every event by (source, id); returns those that were new."""
    sources, ids = [source for source, _ in events], [event_id for _, event_id in events]
    rows = await session.exec_driver_sql(_REMEMBER, (sources, ids, list(events.values()), now))
    return frozenset((row.source, row.event_id) for row in rows)


async def ingested_digests(session: WriteSession, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The SHA-256 with which each of these events was first taken in."""
    columns = ingested.c
    query = select(ingested).where(tuple_(columns.source, columns.event_id).in_(sorted(keys)))
    return {(row.source, row.event_id): bytes(row.sha256) for row in await session.execute(query)}


def _cases(rows: Iterable[Any]) -> Iterable[Case]:
    return (Case(**{field.name: getattr(row, field.name) for field in fields(Case)}) for row in rows)
