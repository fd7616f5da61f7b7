"""Holders of permits: registered before they start, share-locked while they acquire, and dead for ever once dead.

Orders to fence a holder live in a table of their own: a write to a row that acquirers share-lock waits for seconds.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database.database import ReadSession, Session, WriteSession, driver
from services.consent.scopes.store import require_read_committed

_REGISTER = """
INSERT INTO holder AS h (holder_id, slot, supervisor, token_sha256, registered_at)
VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (holder_id) DO UPDATE SET token_sha256 = excluded.token_sha256
WHERE h.slot = excluded.slot AND h.supervisor = excluded.supervisor AND h.died_at IS NULL
RETURNING registered_at
"""
_SHARE_LOCK = """
SELECT died_at IS NULL AS lives, current_setting('transaction_isolation') AS isolation
FROM holder WHERE holder_id = $1 FOR SHARE
"""
_READ = "SELECT holder_id, slot, supervisor, died_at FROM holder WHERE holder_id = $1"
_CREDENTIAL = "SELECT token_sha256 FROM holder WHERE holder_id = $1"
_DIE = """
UPDATE holder SET died_at = $2, death_proof = $3, confirmed_by = $4 WHERE holder_id = $1 AND died_at IS NULL
"""
_ORDER = """
INSERT INTO fence_order (holder_id, slot, ordered_at, reason)
SELECT holder_id, slot, clock_timestamp(), $2 FROM holder
WHERE holder_id = ANY($1::uuid[]) AND died_at IS NULL ORDER BY holder_id
ON CONFLICT (holder_id) DO NOTHING RETURNING holder_id, slot
"""
_ORDERS = """
SELECT o.holder_id FROM fence_order o JOIN holder h USING (holder_id)
WHERE o.slot = $1 AND h.died_at IS NULL ORDER BY o.ordered_at, o.holder_id
"""
_LIVING = """
SELECT h.holder_id, h.slot, h.registered_at, o.ordered_at,
       (SELECT count(DISTINCT s.permit_id) FROM permit_scope s WHERE s.holder_id = h.holder_id) AS open_permits
FROM holder h LEFT JOIN fence_order o USING (holder_id) WHERE h.died_at IS NULL ORDER BY h.slot, h.registered_at
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """One incarnation of one process. `supervisor`: the client id that may confirm its death."""

    holder_id: UUID
    slot: str
    supervisor: str
    died_at: datetime | None


@dataclass(frozen=True, slots=True)
class LivingHolder:
    """A holder not confirmed dead, for the operator. `fence_ordered_at`: since when its supervisor should kill it."""

    holder_id: UUID
    slot: str
    registered_at: datetime
    fence_ordered_at: datetime | None
    open_permits: int


async def register(
    session: WriteSession, holder_id: UUID, *, slot: str, supervisor: str, token_sha256: bytes
) -> datetime | None:
    """Write down an incarnation about to start; repeating it gives it a new credential. Answers when it was registered.

    None: the id is taken, by another slot or supervisor or by a holder that is dead.
    """
    registered_at: datetime | None = await driver(session).fetchval(
        _REGISTER, holder_id, slot, supervisor, token_sha256
    )
    return registered_at


async def share_lock(session: WriteSession, holder_id: UUID) -> bool:
    """Lock the holder against dying until the transaction ends. Answers whether it lives.

    Raises IsolationError when the transaction is not READ COMMITTED.
    """
    row = await driver(session).fetchrow(_SHARE_LOCK, holder_id)
    if row is None:
        return False
    require_read_committed(row["isolation"])
    return bool(row["lives"])


async def lock(session: WriteSession, holder_id: UUID) -> Holder | None:
    """Lock the holder alone: waits for every acquire of its that is on the way."""
    row = await driver(session).fetchrow(f"{_READ} FOR UPDATE", holder_id)
    return Holder(*row) if row else None


async def read_credential(session: ReadSession, holder_id: UUID) -> bytes | None:
    """The SHA-256 of the holder's secret, or None when there is no such holder."""
    digest: bytes | None = await driver(session).fetchval(_CREDENTIAL, holder_id)
    return digest


async def mark_dead(session: WriteSession, holder_id: UUID, now: datetime, *, proof: str, confirmed_by: str) -> None:
    """Write down a death, once: the first proof stands."""
    await driver(session).execute(_DIE, holder_id, now, proof, confirmed_by)


async def order_fence(session: WriteSession, holder_ids: Collection[UUID], *, reason: str) -> list[tuple[UUID, str]]:
    """Order living holders killed. Answers those that were not under order yet, with their slots."""
    return [(row["holder_id"], row["slot"]) for row in await driver(session).fetch(_ORDER, list(holder_ids), reason)]


async def read_orders(session: ReadSession, slot: str) -> tuple[UUID, ...]:
    """The incarnations of this slot that are to be killed and confirmed dead."""
    return tuple(row["holder_id"] for row in await driver(session).fetch(_ORDERS, slot))


async def read_living(session: Session) -> list[LivingHolder]:
    """Every holder not confirmed dead, with how many permits it has open."""
    return [LivingHolder(*row) for row in await driver(session).fetch(_LIVING)]
