"""Authorities to act for another: rows replaced only at the revision they were read at, never deleted (R10)."""

from datetime import datetime
from uuid import UUID

from libs.common.database import rows
from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable
from services.consent.citizens.authority import Authority, AuthorityStatus
from services.consent.citizens.tables import authority as table
from services.consent.model.errors import StaleAuthorityError

_SELECT = "SELECT * FROM authority a WHERE "
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
    return await rows.one(session, Authority, _ONE, authority_id)


async def lock(session: WriteSession, authority_id: UUID) -> Authority | None:
    """One authority, locked until the transaction ends. The citizen's scopes are locked already."""
    return await rows.one(session, Authority, _ONE_LOCKED, authority_id)


async def open_between(session: WriteSession, borger_id: UUID, representative: UUID) -> Authority | None:
    """The one proposed or in force for this pair, locked."""
    return await rows.one(session, Authority, _OPEN_BETWEEN, borger_id, representative)


async def active_of(session: Session, borger_id: UUID) -> tuple[Authority, ...]:
    """Those written down as in force for a citizen; whether each holds today, its dates say."""
    return await rows.rows(session, Authority, _OF, borger_id, [AuthorityStatus.ACTIVE])


async def shown_to(session: Session, borger_id: UUID) -> Readable[Authority]:
    """Those that count or have counted for a citizen, newest first."""
    return readable(await driver(session).fetch(_OF, borger_id, _SHOWN), rows.reader(Authority), name="authorities")


async def held_by(session: Session, representative: UUID) -> tuple[Authority, ...]:
    """Those written down as in force that someone holds for others."""
    return await rows.rows(session, Authority, _HELD_BY, representative)


async def page(
    session: Session, unit: str, status: AuthorityStatus | None, *, after: tuple[datetime, UUID], limit: int
) -> Readable[Authority]:
    """What a unit has recorded, newest first, older than `after`."""
    found = await driver(session).fetch(_PAGE, unit, status, *after, limit)
    return readable(found, rows.reader(Authority), name="authorities")


async def add(session: WriteSession, new: Authority) -> bool:
    """Record one. False when one is proposed or in force for the pair already: then nothing is written."""
    return await rows.add(session, table, new, if_new=True)


async def replace(session: WriteSession, old: Authority, new: Authority) -> None:
    """Write the next revision. Raises StaleAuthorityError when the row is not at `old`'s."""
    values = (new.status, new.confirmed_by, new.confirmed_at, new.ended_at, new.revision)
    if await driver(session).execute(_REPLACE, old.authority_id, old.revision, *values) != "UPDATE 1":
        raise StaleAuthorityError
