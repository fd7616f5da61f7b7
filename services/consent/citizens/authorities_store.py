"""Authorities to act for another: rows replaced only at the revision they were read at, never deleted (R10)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from libs.common.database.database import Session, WriteSession
from libs.common.running.sweep import Readable, readable
from services.consent.citizens.authority import Authority, AuthorityKind, AuthorityStatus
from services.consent.citizens.tables import authority as table
from services.consent.model.errors import StaleAuthorityError

_SELECT = "SELECT to_jsonb(a) FROM authority a WHERE "
_ONE = _SELECT + "a.authority_id = $1"
_ONE_LOCKED = _ONE + " FOR UPDATE"
_OF = _SELECT + "a.borger_id = $1 AND a.status = ANY($2) ORDER BY a.recorded_at DESC, a.authority_id"
_HELD_BY = _SELECT + "a.representative = $1 AND a.status = 'active' ORDER BY a.borger_id, a.authority_id"
_OPEN_BETWEEN = _SELECT + "a.borger_id = $1 AND a.representative = $2 AND a.status IN ('proposed', 'active') FOR UPDATE"
_PAGE = _SELECT + (
    "a.recorded_unit = $1 AND ($2::text IS NULL OR a.status = $2)"
    " AND (a.recorded_at, a.authority_id) < ($3::timestamptz, $4::uuid)"
    " ORDER BY a.recorded_at DESC, a.authority_id DESC LIMIT $5"
)
_REPLACE = """
UPDATE authority SET status = $3, confirmed_by = $4, confirmed_at = $5, ended_at = $6, revision = $7
WHERE authority_id = $1 AND revision = $2
"""
_SHOWN = (AuthorityStatus.ACTIVE, AuthorityStatus.ENDED)


async def find(session: Session, authority_id: UUID) -> Authority | None:
    """One authority."""
    return next(iter(await _read(session, _ONE, (authority_id,))), None)


async def lock(session: WriteSession, authority_id: UUID) -> Authority | None:
    """One authority, locked until the transaction ends. The citizen's scopes are locked already."""
    return next(iter(await _read(session, _ONE_LOCKED, (authority_id,))), None)


async def open_between(session: WriteSession, borger_id: UUID, representative: UUID) -> Authority | None:
    """The one proposed or in force for this pair, locked."""
    return next(iter(await _read(session, _OPEN_BETWEEN, (borger_id, representative))), None)


async def active_of(session: Session, borger_id: UUID) -> tuple[Authority, ...]:
    """Those written down as in force for a citizen; whether each holds today, its dates say."""
    return await _read(session, _OF, (borger_id, [str(AuthorityStatus.ACTIVE)]))


async def shown_to(session: Session, borger_id: UUID) -> Readable[Authority]:
    """Those that count or have counted for a citizen, newest first."""
    values = (borger_id, [str(status) for status in _SHOWN])
    return readable(await session.exec_driver_sql(_OF, values), _authority, name="authorities")


async def held_by(session: Session, representative: UUID) -> tuple[Authority, ...]:
    """Those written down as in force that someone holds for others."""
    return await _read(session, _HELD_BY, (representative,))


async def page(
    session: Session, unit: str, status: AuthorityStatus | None, *, after: tuple[datetime, UUID], limit: int
) -> Readable[Authority]:
    """What a unit has recorded, newest first, older than `after`."""
    values = (unit, None if status is None else str(status), *after, limit)
    return readable(await session.exec_driver_sql(_PAGE, values), _authority, name="authorities")


async def add(session: WriteSession, new: Authority) -> bool:
    """Record one. False when one is proposed or in force for the pair already: then nothing is written."""
    values = {name: getattr(new, name) for name in Authority.__dataclass_fields__}
    row = {**values, "purposes": None if new.purposes is None else sorted(new.purposes)}
    row |= {"kind": str(new.kind), "status": str(new.status)}
    statement = insert(table).values(row).on_conflict_do_nothing().returning(table.c.authority_id)
    return (await session.execute(statement)).first() is not None


async def replace(session: WriteSession, old: Authority, new: Authority) -> None:
    """Write the next revision. Raises StaleAuthorityError when the row is not at `old`'s."""
    values = (str(new.status), new.confirmed_by, new.confirmed_at, new.ended_at, new.revision)
    done = await session.exec_driver_sql(_REPLACE, (old.authority_id, old.revision, *values))
    if done.rowcount != 1:
        raise StaleAuthorityError


async def _read(session: Session, query: str, values: Collection[Any]) -> tuple[Authority, ...]:
    rows = await session.exec_driver_sql(query, tuple(values))
    return tuple(map(_authority, rows))


def _authority(row: Sequence[Any]) -> Authority:
    return authority_from(row[0])


def authority_from(document: Mapping[str, Any]) -> Authority:
    """The authority in a row as JSON."""
    return Authority(
        authority_id=UUID(document["authority_id"]),
        borger_id=UUID(document["borger_id"]),
        representative=UUID(document["representative"]),
        kind=AuthorityKind(document["kind"]),
        replaces=document["replaces"],
        purposes=None if document["purposes"] is None else frozenset(document["purposes"]),
        valid_from=date.fromisoformat(document["valid_from"]),
        valid_to=None if document["valid_to"] is None else date.fromisoformat(document["valid_to"]),
        evidence=document["evidence"],
        recorded_by=document["recorded_by"],
        recorded_unit=document["recorded_unit"],
        recorded_at=datetime.fromisoformat(document["recorded_at"]),
        status=AuthorityStatus(document["status"]),
        confirmed_by=document["confirmed_by"],
        confirmed_at=_optional(document["confirmed_at"]),
        ended_at=_optional(document["ended_at"]),
        revision=document["revision"],
    )


def _optional(moment: str | None) -> datetime | None:
    return None if moment is None else datetime.fromisoformat(moment)
