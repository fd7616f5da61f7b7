"""Finding entries: by whose key their openings are under, by type, by time; newest first."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.common.database.database import Session
from services.audit.keys.vault import Sealed
from services.audit.leaves.entry import Numbered

_OPENINGS = "SELECT leaf_index, subject_ref, nonce, ct FROM opening WHERE leaf_index = ANY($1::bigint[])"

_NUMBERED = (
    "SELECT leaf_index, body, producer, generation, lane, number FROM leaf"
    " JOIN unnest($1::text[], $2::bigint[], $3::smallint[], $4::bigint[]) AS n (producer, generation, lane, number)"
    " USING (producer, generation, lane, number)"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What to find. `refs`: every one of these keys holds an opening. Times as in a leaf; `after` ≤ … < `before`."""

    refs: tuple[UUID, ...] = ()
    type: str | None = None
    after: str | None = None
    before: str | None = None
    below: int | None = None  # leaf index: where the page before ended


@dataclass(frozen=True, slots=True)
class Found:
    """A leaf as stored, with the openings that are left."""

    index: int
    body: bytes
    openings: tuple[Sealed, ...]


async def find_entries(session: Session, wanted: Filter, limit: int) -> list[Found]:
    """At most `limit` entries, newest first."""
    query, parameters = _query(wanted, limit)
    rows = list(await session.exec_driver_sql(query, parameters))
    openings = await _openings(session, [row.leaf_index for row in rows])
    return [Found(row.leaf_index, row.body, tuple(openings.get(row.leaf_index, ()))) for row in rows]


async def find_numbered(session: Session, wanted: Collection[Numbered]) -> dict[Numbered, Found]:
    """The entries that have these numbers."""
    columns = tuple(list(column) for column in zip(*wanted, strict=True))
    rows = list(await session.exec_driver_sql(_NUMBERED, columns)) if wanted else []
    openings = await _openings(session, [row.leaf_index for row in rows])
    return {
        Numbered(row.producer, row.generation, row.lane, row.number): Found(
            row.leaf_index, row.body, tuple(openings.get(row.leaf_index, ()))
        )
        for row in rows
    }


def _query(wanted: Filter, limit: int) -> tuple[str, tuple[Any, ...]]:
    parameters: list[Any] = []
    conditions: list[str] = []

    def where(condition: str, value: Any) -> None:
        parameters.append(value)
        conditions.append(condition.format(f"${len(parameters)}"))

    source = "leaf"
    if wanted.refs:
        # From the openings: a person's entries are one range of an index, however long the log is.
        source = "opening JOIN leaf USING (leaf_index)"
        where("subject_ref = {}::uuid", wanted.refs[0])
    for ref in wanted.refs[1:]:
        where("EXISTS (SELECT FROM opening o WHERE o.subject_ref = {}::uuid AND o.leaf_index = leaf.leaf_index)", ref)
    for column, sign, value in (
        ("type", "=", wanted.type),
        ("occurred_at", ">=", wanted.after),
        ("occurred_at", "<", wanted.before),
        ("leaf_index", "<", wanted.below),
    ):
        if value is not None:
            where(f"{column} {sign} {{}}", value)
    parameters.append(limit)
    clause = " AND ".join(conditions) or "TRUE"
    # Tables, columns and signs are the constants above; every value is a parameter.
    query = f"SELECT leaf_index, body FROM {source} WHERE {clause} ORDER BY leaf_index DESC LIMIT ${len(parameters)}"  # noqa: S608
    return query, tuple(parameters)


async def _openings(session: Session, indices: Collection[int]) -> dict[int, list[Sealed]]:
    found: dict[int, list[Sealed]] = {}
    for row in await session.exec_driver_sql(_OPENINGS, (list(indices),)):
        found.setdefault(row.leaf_index, []).append(Sealed(row.subject_ref, row.nonce, row.ct))
    return found
