"""A citizen's chain of receipts: one sequence without gaps, each naming the hash of the one before."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database import rows
from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable
from services.consent.receipts.tables import receipt as table

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


_BEFORE_ALL = 2**63 - 1
_SELECT = "SELECT * FROM receipt WHERE "
_LAST = _SELECT + "borger_id = $1 ORDER BY sequence DESC LIMIT 1"
_FIND = _SELECT + "receipt_id = $1"
_OF_ACT = _SELECT + "borger_id = $1 AND event = $2 AND issued_at = $3"
# Who acted stands in the signed content alone: a copy beside it could say something else.
_CONTENT = "rpad(translate(split_part(jws, '.', 2), '-_', '+/'), (length(split_part(jws, '.', 2)) + 3) / 4 * 4, '=')"
_ACTOR = f"convert_from(decode({_CONTENT}, 'base64'), 'UTF8')::jsonb #>> '{{act,actor}}'"
_SHOWN = f"($3::text[] IS NULL OR {_ACTOR} IS NULL OR {_ACTOR} = ANY($3))"
_PAGE = _SELECT + f"borger_id = $1 AND sequence < $2 AND {_SHOWN} ORDER BY sequence DESC LIMIT $4"


async def lock_chain(session: WriteSession, borger_id: UUID) -> None:
    """Nobody else appends to this citizen's chain until the transaction ends."""
    await driver(session).execute(_LOCK, str(borger_id))


async def last(session: Session, borger_id: UUID) -> StoredReceipt | None:
    """The newest receipt. Under `lock_chain`, a statement of its own, so that it sees what the lock waited for."""
    return await rows.one(session, StoredReceipt, _LAST, borger_id)


async def add(session: WriteSession, stored: StoredReceipt) -> None:
    """Append to the chain."""
    await rows.add(session, table, stored)


async def find(session: Session, receipt_id: UUID) -> StoredReceipt | None:
    """One receipt by its id."""
    return await rows.one(session, StoredReceipt, _FIND, receipt_id)


async def of_act(session: Session, borger_id: UUID, event: str, at: datetime) -> StoredReceipt:
    """The receipt of an act of this citizen's that is known to have been done at `at`."""
    found = await rows.one(session, StoredReceipt, _OF_ACT, borger_id, event, at)
    assert found is not None
    return found


async def page(
    session: Session, borger_id: UUID, *, actors: Collection[UUID] | None, before: int | None, limit: int
) -> Readable[StoredReceipt]:
    """Newest first, with a sequence number below `before`; of the acts of `actors` and of nobody, None: of all."""
    shown = None if actors is None else [str(actor) for actor in actors]
    found = await driver(session).fetch(_PAGE, borger_id, _BEFORE_ALL if before is None else before, shown, limit)
    return readable(found, rows.reader(StoredReceipt), name="receipts")
