"""A citizen's chain of receipts: one sequence without gaps, each naming the hash of the one before."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select

from libs.common.database import Session, WriteSession
from services.consent.tables import receipt

# One chain, one writer. Taken after every other lock, so that it never waits for what it holds up.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('receipt:' || $1::text, 0))"


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """One receipt as it was issued. `jws`: compact. `object_kind`, `object_id`: the record that it is about."""

    receipt_id: UUID
    borger_id: UUID
    sequence: int
    previous_sha256: str | None
    event: str
    consent_id: UUID | None
    object_kind: str | None
    object_id: UUID | None
    issued_at: datetime
    jws: str


async def lock_chain(session: WriteSession, borger_id: UUID) -> None:
    """Nobody else appends to this citizen's chain until the transaction ends."""
    await session.exec_driver_sql(_LOCK, (str(borger_id),))


async def last(session: Session, borger_id: UUID) -> StoredReceipt | None:
    """The newest receipt. Under `lock_chain`, a statement of its own, so that it sees what the lock waited for."""
    query = select(receipt).where(receipt.c.borger_id == borger_id).order_by(receipt.c.sequence.desc()).limit(1)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else StoredReceipt(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


async def add(session: WriteSession, stored: StoredReceipt) -> None:
    """Append to the chain."""
    await session.execute(
        insert(receipt).values(
            receipt_id=stored.receipt_id,
            borger_id=stored.borger_id,
            sequence=stored.sequence,
            previous_sha256=stored.previous_sha256,
            event=stored.event,
            consent_id=stored.consent_id,
            object_kind=stored.object_kind,
            object_id=stored.object_id,
            issued_at=stored.issued_at,
            jws=stored.jws,
        )
    )


async def find(session: Session, receipt_id: UUID) -> StoredReceipt | None:
    """One receipt by its id."""
    row = (await session.execute(select(receipt).where(receipt.c.receipt_id == receipt_id))).one_or_none()
    return None if row is None else StoredReceipt(**row._mapping)  # noqa: SLF001


async def of_act(session: Session, borger_id: UUID, event: str, at: datetime) -> StoredReceipt:
    """The receipt of an act of this citizen's that is known to have been done at `at`."""
    query = select(receipt).where(receipt.c.borger_id == borger_id, receipt.c.event == event, receipt.c.issued_at == at)
    row = (await session.execute(query)).one()
    return StoredReceipt(**row._mapping)  # noqa: SLF001


async def page(session: Session, borger_id: UUID, before: int, limit: int) -> tuple[StoredReceipt, ...]:
    """Newest first, with a sequence number below `before`."""
    query = select(receipt).where(receipt.c.borger_id == borger_id, receipt.c.sequence < before)
    rows = await session.execute(query.order_by(receipt.c.sequence.desc()).limit(limit))
    return tuple(StoredReceipt(**row._mapping) for row in rows)  # noqa: SLF001
