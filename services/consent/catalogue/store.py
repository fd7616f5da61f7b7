"""The catalogue in the database: written by `migrate`, read by revision, kept in the process while that revision holds.

The revision is derived from the content, so one number never means two catalogues: the memo cannot be stale or mixed.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from libs.common.database.database import Session, WriteSession
from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue.form import RawEntry, build
from services.consent.catalogue.tables import catalogue_entry, catalogue_revision

EMPTY = Catalogue(revision=0)
_memo: dict[int, Catalogue] = {}
_MEMO_MAX = 4  # catalogues; one is in use, another while a new one is loaded


async def catalogue_of(session: Session, revision: int) -> Catalogue:
    """The catalogue of a revision read in the same session; from the memo when it is known."""
    known = _memo.get(revision)
    if known is not None:
        return known
    loaded = build(await entries(session))
    while len(_memo) >= _MEMO_MAX:
        _memo.pop(next(iter(_memo)))
    _memo[loaded.revision] = loaded
    return loaded


def latest() -> Catalogue:
    """The catalogue that this process read last: for an order of locks, never for an answer."""
    return next(reversed(_memo.values()), EMPTY)


async def current(session: Session) -> Catalogue:
    """Today's catalogue; empty when none has been loaded."""
    revision = (await session.execute(select(catalogue_revision.c.revision))).scalar_one_or_none()
    return EMPTY if revision is None else await catalogue_of(session, revision)


async def entries(session: Session) -> list[RawEntry]:
    """Every entry as it was loaded."""
    c = catalogue_entry.c
    rows = await session.execute(select(c.kind, c.body, c.origin, c.ended))
    return [RawEntry(row.kind, row.body, row.origin, row.ended) for row in rows]


async def save(session: WriteSession, raw: Sequence[RawEntry], revision: int) -> None:
    """Replace the stored catalogue by this one and set its revision. The owner's role only."""
    await session.execute(delete(catalogue_entry))
    await session.execute(insert(catalogue_entry), [row_of(entry) for entry in raw])
    statement = upsert(catalogue_revision).values(only=1, revision=revision)
    await session.execute(statement.on_conflict_do_update(index_elements=["only"], set_={"revision": revision}))


def row_of(entry: RawEntry) -> Mapping[str, Any]:
    """An entry as it is stored."""
    ends = entry.body["valid_to"]
    return {
        "kind": entry.kind,
        "code": entry.body["code"],
        "version": entry.body["version"],
        "valid_from": date.fromisoformat(entry.body["valid_from"]),
        "valid_to": None if ends is None else date.fromisoformat(ends),
        "body": entry.body,
        "origin": entry.origin,
        "ended": entry.ended,
    }
