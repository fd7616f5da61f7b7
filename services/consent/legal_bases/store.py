"""Recorded bases that need no consent, emergencies among them: who recorded which, until when, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable
from services.consent.decision.snapshot import OtherBasis

_COLUMNS = (
    "basis_id, holder_unit, recipient_unit, category, purpose, legal_basis, valid_from, valid_until, ended_at,"
    " borger_id, emergency_reason, decision_reference, recorded_by, ended_by, review, reviewed_at, reviewed_by"
)
_SELECT = f"SELECT {_COLUMNS} FROM other_basis WHERE"  # noqa: S608 - constants only
_FIND = f"{_SELECT} basis_id = $1"
_PAGE = "(valid_from, basis_id) < ($2, $3) ORDER BY valid_from DESC, basis_id DESC LIMIT $4"
_OF_CITIZEN = f"{_SELECT} borger_id = $1 AND {_PAGE}"
_OF_UNIT = f"{_SELECT} holder_unit = $1 AND {_PAGE}"
_EMERGENCIES = f"{_SELECT} emergency_reason IS NOT NULL AND (NOT $1 OR review IS NULL) AND {_PAGE}"
_ADD = """
INSERT INTO other_basis (basis_id, holder_unit, recipient_unit, category, purpose, legal_basis, valid_from, valid_until,
  borger_id, emergency_reason, decision_reference, recorded_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_END = "UPDATE other_basis SET ended_at = $2, ended_by = $3 WHERE basis_id = $1"
_REVIEW = "UPDATE other_basis SET review = $2, reviewed_at = $3, reviewed_by = $4 WHERE basis_id = $1"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A basis as it is kept. Employees are pseudonyms, and only for the audit trail's sake; `review` is a code."""

    basis: OtherBasis
    borger_id: UUID
    emergency_reason: str | None
    decision_reference: str
    recorded_by: str
    ended_by: str | None = None
    review: str | None = None
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None


async def find(session: Session, basis_id: UUID) -> Recorded | None:
    """One, whoever's it is; ended ones too."""
    row = await driver(session).fetchrow(_FIND, basis_id)
    return None if row is None else _recorded(row)


async def page_of_citizen(
    session: Session, borger_id: UUID, before: tuple[datetime, UUID], limit: int
) -> Readable[Recorded]:
    """All about a citizen, newest first, older than `before` = (valid from, id)."""
    return readable(await driver(session).fetch(_OF_CITIZEN, borger_id, *before, limit), _recorded, name="other_bases")


async def page_of_unit(session: Session, unit: str, before: tuple[datetime, UUID], limit: int) -> Readable[Recorded]:
    """All that a holder unit has recorded; otherwise as `page_of_citizen`."""
    return readable(await driver(session).fetch(_OF_UNIT, unit, *before, limit), _recorded, name="other_bases")


async def page_of_emergencies(
    session: Session, *, unreviewed: bool, before: tuple[datetime, UUID], limit: int
) -> Readable[Recorded]:
    """Every emergency, or only those that nobody has reviewed; otherwise as `page_of_citizen`."""
    return readable(
        await driver(session).fetch(_EMERGENCIES, unreviewed, *before, limit), _recorded, name="other_bases"
    )


async def add(session: WriteSession, new: Recorded) -> None:
    """Record one. The scope's lock is held."""
    b = new.basis
    question = (b.holder_unit, b.recipient_unit, b.category, b.purpose)
    recorded = (new.borger_id, new.emergency_reason, new.decision_reference, new.recorded_by)
    await driver(session).execute(_ADD, b.basis_id, *question, b.legal_basis, b.valid_from, b.valid_until, *recorded)


async def end(session: WriteSession, basis_id: UUID, at: datetime, by: str) -> None:
    """End one. The scope's lock is held."""
    await driver(session).execute(_END, basis_id, at, by)


async def review(session: WriteSession, basis_id: UUID, outcome: str, *, at: datetime, by: str) -> None:
    """What the data protection officer found. The scope's lock is held."""
    await driver(session).execute(_REVIEW, basis_id, outcome, at, by)


def _recorded(row: Sequence[Any]) -> Recorded:
    question, reason = row[:8], row[10]
    basis = OtherBasis(*question)
    return Recorded(replace(basis, emergency=reason is not None, ended_at=row[8]), *row[9:])
