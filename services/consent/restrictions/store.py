"""Restrictions (GDPR art. 18): what is kept and not used, on which ground, until it is lifted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable
from services.consent.decision.snapshot import Restriction

_COLUMNS = "restriction_id, consent_id, recorded_at, lifted_at, borger_id, ground, recorded_by, announced_at, lifted_by"
_SELECT = f"SELECT {_COLUMNS} FROM restriction WHERE borger_id = $1 AND"  # noqa: S608 - constants only
_FIND = f"{_SELECT} restriction_id = $2"
_STANDING = f"{_SELECT} consent_id IS NOT DISTINCT FROM $2 AND ground = $3 AND lifted_at IS NULL"
_PAGE = f"""
{_SELECT} (recorded_at, restriction_id) < ($2, $3) ORDER BY recorded_at DESC, restriction_id DESC LIMIT $4
"""
_ADD = """
INSERT INTO restriction (restriction_id, consent_id, recorded_at, borger_id, ground, recorded_by)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_ANNOUNCE = """
UPDATE restriction SET announced_at = coalesce(announced_at, $2) WHERE restriction_id = $1 AND lifted_at IS NULL
"""
_LIFT = "UPDATE restriction SET lifted_at = $2, lifted_by = $3 WHERE restriction_id = $1"


@dataclass(frozen=True, slots=True)
class Kept:
    """A restriction as it is kept. `recorded_by`, `lifted_by`: `citizen` or `dpo`; `announced_at`: art. 18(3)."""

    restriction: Restriction
    borger_id: UUID
    ground: str
    recorded_by: str
    announced_at: datetime | None = None
    lifted_by: str | None = None


async def find(session: Session, borger_id: UUID, restriction_id: UUID) -> Kept | None:
    """The restriction, when it is about this citizen; lifted ones too."""
    row = await driver(session).fetchrow(_FIND, borger_id, restriction_id)
    return None if row is None else _kept(row)


async def standing(session: Session, borger_id: UUID, consent_id: UUID | None, ground: str) -> Kept | None:
    """The one of this extent and ground that holds now."""
    row = await driver(session).fetchrow(_STANDING, borger_id, consent_id, ground)
    return None if row is None else _kept(row)


async def page(session: Session, borger_id: UUID, before: tuple[datetime, UUID], limit: int) -> Readable[Kept]:
    """Newest first, older than `before` = (recorded at, id)."""
    return readable(await driver(session).fetch(_PAGE, borger_id, *before, limit), _kept, name="restrictions")


async def add(session: WriteSession, new: Kept) -> None:
    """Record one. The locks of the scopes that it covers are held."""
    made = new.restriction
    await driver(session).execute(
        _ADD, made.restriction_id, made.consent_id, made.recorded_at, new.borger_id, new.ground, new.recorded_by
    )


async def announce(session: WriteSession, restriction_id: UUID, at: datetime) -> None:
    """The citizen is told that it will be lifted; the first time stands."""
    await driver(session).execute(_ANNOUNCE, restriction_id, at)


async def lift(session: WriteSession, restriction_id: UUID, at: datetime, by: str) -> None:
    """End one. The locks of the scopes that it covers are held."""
    await driver(session).execute(_LIFT, restriction_id, at, by)


def _kept(row: Sequence[Any]) -> Kept:
    restriction_id, consent_id, recorded_at, lifted_at, borger_id, ground, recorded_by, announced_at, lifted_by = row
    restriction = Restriction(restriction_id, consent_id, recorded_at, lifted_at)
    return Kept(restriction, borger_id, ground, recorded_by, announced_at, lifted_by)
