"""Refusals: an active no to a purpose and a recipient, one at a time, until it is lifted (R50)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update

from libs.common.database import Session, WriteSession
from services.consent.domain.fence import ScopeKey
from services.consent.domain.snapshot import Refusal
from services.consent.tables import refusal


async def find(session: Session, borger_id: UUID, refusal_id: UUID) -> Refusal | None:
    """The refusal, when it is this citizen's; lifted ones too."""
    query = select(refusal).where(refusal.c.refusal_id == refusal_id, refusal.c.borger_id == borger_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _refusal(row)


async def active_in(session: Session, key: ScopeKey) -> Refusal | None:
    """The refusal that holds in a scope now."""
    query = select(refusal).where(
        refusal.c.borger_id == key.borger_id,
        refusal.c.purpose == key.purpose,
        refusal.c.recipient_unit == key.recipient_unit,
        refusal.c.lifted_at.is_(None),
    )
    row = (await session.execute(query.limit(1))).one_or_none()
    return None if row is None else _refusal(row)


async def add(session: WriteSession, borger_id: UUID, new: Refusal) -> None:
    """Record one. The scope's lock is held, and none is active in it."""
    await session.execute(
        insert(refusal).values(
            refusal_id=new.refusal_id,
            borger_id=borger_id,
            purpose=new.purpose,
            recipient_unit=new.recipient_unit,
            recorded_at=new.recorded_at,
        )
    )


async def lift(session: WriteSession, refusal_id: UUID, at: datetime) -> None:
    """End one. The scope's lock is held."""
    await session.execute(update(refusal).where(refusal.c.refusal_id == refusal_id).values(lifted_at=at))


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(row.refusal_id, row.purpose, row.recipient_unit, row.recorded_at, row.lifted_at)
