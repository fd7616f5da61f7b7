"""SQL for the case registry and for the keys of ingestion."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_

from libs.common.database.database import WriteSession, driver
from services.advis.cases.cases import Case, CaseChange, Registry, Step
from services.advis.cases.tables import case_registry, ingested

_SAVE = """
INSERT INTO case_registry AS c (unit, case_reference, borger_id, caseworker, opened_at, closed_at, as_of)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[],
                     $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (unit, case_reference) DO UPDATE SET caseworker = excluded.caseworker, opened_at = excluded.opened_at,
    closed_at = excluded.closed_at, as_of = excluded.as_of
WHERE c.borger_id = excluded.borger_id AND c.as_of <= excluded.as_of
"""
_STEPS = """
SELECT source, event_id, unit, case_reference, step, caseworker, at FROM case_step
WHERE (unit, case_reference) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY place
"""
_REPORT = """
INSERT INTO case_step (source, event_id, unit, case_reference, step, caseworker, at)
SELECT source, event_id, unit, reference, step, caseworker, at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
  WITH ORDINALITY AS s (source, event_id, unit, reference, step, caseworker, at, n) ORDER BY n
"""
_TAKE_BACK = "DELETE FROM case_step WHERE (source, event_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))"
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


async def load_steps(
    session: WriteSession, cases: Mapping[tuple[str, str], Case]
) -> dict[tuple[str, str], list[CaseChange]]:
    """What stands of each of these cases, in the order in which it was reported."""
    found: dict[tuple[str, str], list[CaseChange]] = {}
    if not cases:
        return found
    units, references = zip(*cases, strict=True)
    for row in await driver(session).fetch(_STEPS, list(units), list(references)):
        key, event = (row["unit"], row["case_reference"]), (row["source"], row["event_id"])
        step = CaseChange(Step(row["step"]), *key, cases[key].borger_id, row["caseworker"], row["at"], event)
        found.setdefault(key, []).append(step)
    return found


async def save_cases(session: WriteSession, registry: Registry) -> None:
    """Write the cases as they are now and their steps; one that another transaction has made newer stays as it is."""
    await _save(session, registry.changed)
    if registry.reported:
        told = [
            (*one.event, one.unit, one.case_reference, str(one.step), one.caseworker, one.at)
            for one in registry.reported
        ]
        await driver(session).execute(_REPORT, *(list(column) for column in zip(*told, strict=True)))
    if registry.taken_back:
        await driver(session).execute(_TAKE_BACK, *(list(column) for column in zip(*registry.taken_back, strict=True)))


async def _save(session: WriteSession, cases: Iterable[Case]) -> None:
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
