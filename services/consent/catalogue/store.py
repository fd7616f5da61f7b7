"""The catalogue in the database: written by `migrate`, read by revision, kept in memory while that revision holds.

The revision is derived from the content, so one number never means two catalogues: what is kept is never stale. It is
kept for each pool of connections, so that two services in one process know each their own.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from libs.common.database.database import Session, WriteSession
from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue.form import RawEntry, build
from services.consent.catalogue.tables import catalogue_entry, catalogue_revision

EMPTY = Catalogue(revision=0)
KEPT_MAX: Final = 4  # catalogues; one is in use, another while a new one is loaded
_KEPT: Final[WeakKeyDictionary[Engine, dict[int, Catalogue]]] = WeakKeyDictionary()


def kept(session: Session) -> dict[int, Catalogue]:
    """The catalogues by revision that the session's pool of connections has read, the newest last."""
    return _KEPT.setdefault(session.engine.sync_engine, {})


async def catalogue_of(session: Session, revision: int) -> Catalogue:
    """The catalogue of a revision read in the same session; from memory when it is kept."""
    known = kept(session)
    if revision in known:
        return known[revision]
    loaded = build(await entries(session))
    while len(known) >= KEPT_MAX:
        known.pop(next(iter(known)))
    known[loaded.revision] = loaded
    return loaded


def latest(session: Session) -> Catalogue:
    """The catalogue that the session's pool read last: for an order of locks, never for an answer."""
    return next(reversed(kept(session).values()), EMPTY)


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
