"""Scope rows: locked together in one statement, in one order everywhere, and read in another (`docs/fence.md`).

Nothing here decides. What a decision needs is read by `decision.store`, in the statement *after* the lock: one
statement that locks and reads returns the new epoch with the old state.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from libs.common.database.database import Session, WriteSession, driver
from services.consent.decision.epochs import Pair, floor_of
from services.consent.model.scope import ScopeKey

READ_COMMITTED = "read committed"

_ISOLATION = "SELECT current_setting('transaction_isolation')"
_MISSING = """
SELECT k.b, k.p, k.r FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (b, p, r)
WHERE NOT EXISTS (SELECT 1 FROM scope s WHERE s.borger_id = k.b AND s.purpose = k.p AND s.recipient_unit = k.r)
"""
# A scope that appears while somebody ends everything that a person has must not slip past the drain.
_SHARE_PERSONS = """
SELECT pg_advisory_xact_lock_shared(hashtextextended('scopes:' || b, 0))
FROM (SELECT DISTINCT unnest($1::uuid[])::text AS b ORDER BY 1) AS person
"""
_LOCK_PERSON = "SELECT pg_advisory_xact_lock(hashtextextended('scopes:' || $1::text, 0))"
_CREATE = """
INSERT INTO scope (borger_id, purpose, recipient_unit, epoch)
SELECT k.b, k.p, k.r, $4 FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (b, p, r) ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""
_LOCK = """
SELECT s.borger_id, s.purpose, s.recipient_unit
FROM scope s JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS k (b, p, r)
  ON s.borger_id = k.b AND s.purpose = k.p AND s.recipient_unit = k.r
ORDER BY 1, 2, 3 FOR UPDATE OF s
"""
_BUMP = """
UPDATE scope s SET epoch = k.e FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) AS k (b, p, r, e)
WHERE s.borger_id = k.b AND s.purpose = k.p AND s.recipient_unit = k.r
"""
_RESTART = """
INSERT INTO coverage (borger_id, purpose, recipient_unit, holder_unit, category, since_epoch, since_at)
SELECT k.*, $7 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) AS k
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (borger_id, purpose, recipient_unit, holder_unit, category)
DO UPDATE SET since_epoch = excluded.since_epoch, since_at = excluded.since_at
"""
_KEYS_OF = """
SELECT borger_id, purpose, recipient_unit FROM scope WHERE borger_id = ANY($1::uuid[]) ORDER BY 1, 2, 3
"""
_GENERATION = "SELECT generation FROM fence_generation"
_RAISE_GENERATION = (
    "UPDATE fence_generation g SET generation = greatest(g.generation, $1) + 1"
    " FROM (SELECT generation FROM fence_generation FOR UPDATE) AS old RETURNING old.generation, g.generation"
)


class IsolationError(Exception):
    """The transaction is not READ COMMITTED: after a wait it would see a state from before the wait."""


def require_read_committed(isolation: str) -> None:
    """Raises IsolationError unless `isolation`, as the server names it, is the one that the fence is proven for."""
    if isolation != READ_COMMITTED:
        raise IsolationError(f"the fence needs {READ_COMMITTED}, this transaction is {isolation}")


async def assert_isolation(session: WriteSession) -> None:
    """Ask the server what this transaction really is. Raises IsolationError."""
    require_read_committed(await driver(session).fetchval(_ISOLATION))


async def create_missing(session: WriteSession, keys: Collection[ScopeKey]) -> None:
    """Create the scopes that do not exist, at the start of the database's generation. Changes none that does.

    Waits for whoever holds `lock_person` of theirs. Lock order: that lock comes before any scope's.
    """
    missing = [ScopeKey(*row) for row in await driver(session).fetch(_MISSING, *_columns(keys))]
    if missing:
        await driver(session).execute(_SHARE_PERSONS, [key.borger_id for key in missing])
        generation = await read_generation(session)
        await driver(session).execute(_CREATE, *_columns(missing), floor_of(generation))


async def lock_person(session: WriteSession, borger_id: UUID) -> None:
    """No scope of this person's appears until the transaction ends, so `keys_of`, asked after it, names them all."""
    await driver(session).execute(_LOCK_PERSON, str(borger_id))


async def lock(session: WriteSession, keys: Collection[ScopeKey]) -> set[ScopeKey]:
    """Lock these scopes until the transaction ends, all in one statement, in key order. Answers those that exist."""
    rows = await driver(session).fetch(_LOCK, *_columns(keys))
    return {ScopeKey(*row) for row in rows}


async def bump(session: WriteSession, epochs: Mapping[ScopeKey, int]) -> None:
    """Write new epochs on scopes that this transaction has locked."""
    await driver(session).execute(_BUMP, *_columns(epochs), list(epochs.values()))


async def restart_coverage(session: WriteSession, since: Mapping[tuple[ScopeKey, Pair], int], now: datetime) -> None:
    """Let the coverage of these pairs begin at these epochs, and at `now`."""
    if since:
        rows = [(*key, *pair, epoch) for (key, pair), epoch in since.items()]
        await driver(session).execute(_RESTART, *(list(column) for column in zip(*rows, strict=True)), now)


async def keys_of(session: Session, persons: Collection[UUID]) -> list[ScopeKey]:
    """Every scope of these persons: what a fact about a person (death, custody, a closed case) changes."""
    return [ScopeKey(*row) for row in await driver(session).fetch(_KEYS_OF, list(persons))]


async def read_generation(session: Session) -> int:
    """The database's generation. Raises LookupError when the migration's row is gone."""
    generation = await driver(session).fetchval(_GENERATION)
    if generation is None:
        raise LookupError("fence_generation has no row")
    return int(generation)


async def raise_generation(session: WriteSession, above: int = 0) -> tuple[int, int]:
    """After a restore, or a failover that may have lost commits: epochs handed out before count no more.

    (old, new) generation of the fence; the new one is one more than the old, and than `above`. The owner's alone.
    Raises LookupError when the migration's row is gone.
    """
    row = await driver(session).fetchrow(_RAISE_GENERATION, above)
    if row is None:
        raise LookupError("fence_generation has no row")
    return row[0], row[1]


def _columns(keys: Collection[ScopeKey]) -> tuple[list[UUID], list[str], list[str]]:
    return [key.borger_id for key in keys], [key.purpose for key in keys], [key.recipient_unit for key in keys]
