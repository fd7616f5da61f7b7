"""Refusals: an active no to a purpose and a recipient, or to every one of either, until it is lifted (R50)."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, tuple_, update

from libs.common.database.database import Session, WriteSession
from libs.common.running.sweep import Readable, readable
from services.consent.decision.snapshot import Refusal
from services.consent.refusals.tables import refusal


async def find(session: Session, borger_id: UUID, refusal_id: UUID) -> Refusal | None:
    """The refusal, when it is this citizen's; lifted ones too."""
    query = select(refusal).where(refusal.c.refusal_id == refusal_id, refusal.c.borger_id == borger_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _refusal(row)


async def standing(
    session: Session, borger_id: UUID, *, purpose: str | None, recipient_unit: str | None
) -> Refusal | None:
    """The refusal of exactly this extent that holds now."""
    query = select(refusal).where(
        refusal.c.borger_id == borger_id,
        refusal.c.purpose.is_not_distinct_from(purpose),
        refusal.c.recipient_unit.is_not_distinct_from(recipient_unit),
        refusal.c.lifted_at.is_(None),
    )
    row = (await session.execute(query.limit(1))).one_or_none()
    return None if row is None else _refusal(row)


async def page(
    session: Session,
    borger_id: UUID,
    *,
    purposes: Collection[str] | None,
    lifted: bool | None,
    before: tuple[datetime, UUID],
    limit: int,
) -> Readable[Refusal]:
    """Newest first, older than `before` = (recorded at, id). `lifted`: only those that are, or that are not.

    `purposes`: only those of one of these.
    """
    place = tuple_(refusal.c.recorded_at, refusal.c.refusal_id)
    query = select(refusal).where(refusal.c.borger_id == borger_id, place < before)
    if lifted is not None:
        query = query.where(refusal.c.lifted_at.is_not(None) if lifted else refusal.c.lifted_at.is_(None))
    if purposes is not None:
        query = query.where(refusal.c.purpose.in_(purposes))
    ordered = query.order_by(refusal.c.recorded_at.desc(), refusal.c.refusal_id.desc())
    return readable(await session.execute(ordered.limit(limit)), _refusal, name="refusals")


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
