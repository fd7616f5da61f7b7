"""Permit rows: one table and one key for what was granted and for what was settled before it was known.

An id that is settled or dead is never granted: the insert finds it and does nothing. Rows are always written in the
order of `permit_id`, permits before their use rows (`docs/fence.md`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database.database import ReadSession, WriteSession, driver
from services.consent.decision.epochs import PermitState, Waiting
from services.consent.uses.store import UseKey

_KNOWN = """
SELECT c.now, p.permit_id, p.holder_id, p.state, p.request_sha256, p.consent_ids, p.lease_until
FROM (SELECT clock_timestamp() AS now) AS c LEFT JOIN permit p ON p.permit_id = ANY($1::uuid[])
"""
_INSERT = """
INSERT INTO permit (permit_id, holder_id, state, notification_id, actor, kind, request_sha256, consent_ids,
                    acquired_at, lease_until)
SELECT r.id, $2, 'open', r.notification, r.actor, r.kind, r.sha256,
       ARRAY(SELECT c.consent FROM unnest($9::uuid[], $10::uuid[]) AS c (permit, consent) WHERE c.permit = r.id),
       $3, r.lease_until
FROM unnest($1::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[])
  AS r (id, notification, actor, kind, sha256, lease_until)
ORDER BY r.id ON CONFLICT (permit_id) DO NOTHING RETURNING permit_id
"""
_INSERT_SCOPES = """
INSERT INTO permit_scope (permit_id, borger_id, holder_id, purpose, recipient_unit, epoch)
SELECT r.id, r.b, $2, r.p, r.r, r.e
FROM unnest($1::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[]) AS r (id, b, p, r, e) ORDER BY 1, 2
"""
_SETTLE = """
INSERT INTO permit AS p (permit_id, holder_id, state, ended_at, outcome)
SELECT r.id, $1, 'settled', clock_timestamp(), r.outcome FROM unnest($2::uuid[], $3::text[]) AS r (id, outcome)
ORDER BY r.id
ON CONFLICT (permit_id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at, outcome = excluded.outcome
WHERE p.state = 'open' AND p.holder_id = excluded.holder_id
"""
_CLOSE_SCOPES = """
DELETE FROM permit_scope s USING permit p
WHERE p.permit_id = ANY($2::uuid[]) AND p.permit_id = s.permit_id AND s.holder_id = $1
RETURNING p.notification_id, s.borger_id, p.actor, p.kind, p.acquired_at, p.outcome, p.permit_id
"""
_LOCK_OPEN_OF = """
SELECT p.permit_id FROM permit p
WHERE p.state = 'open' AND p.permit_id IN (SELECT s.permit_id FROM permit_scope s WHERE s.holder_id = $1)
ORDER BY p.permit_id FOR UPDATE
"""
_DIE = """
UPDATE permit SET state = 'dead', ended_at = clock_timestamp(), outcome = 'unknown' WHERE permit_id = ANY($1::uuid[])
"""
_WAITING = """
SELECT DISTINCT c.now, p.permit_id, p.holder_id, p.lease_until
FROM (SELECT clock_timestamp() AS now) AS c LEFT JOIN (
  withdrawal_scope w
  JOIN permit_scope s ON s.borger_id = w.borger_id AND s.purpose = w.purpose
    AND s.recipient_unit = w.recipient_unit AND s.epoch < w.epoch
  JOIN permit p ON p.permit_id = s.permit_id AND p.state = 'open'
) ON w.withdrawal_id = $1
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A permit id that consent has seen. A tombstone has neither request nor lease."""

    holder_id: UUID
    state: PermitState
    request_sha256: bytes | None
    consents: tuple[UUID, ...]
    lease_until: datetime | None


@dataclass(frozen=True, slots=True)
class NewPermit:
    """A permit to be opened: whose disclosure, until when it may be waited with, and what it rests on."""

    permit_id: UUID
    notification_id: UUID
    actor: str
    kind: str
    request_sha256: bytes
    lease_until: datetime
    consents: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class NewPermitScope:
    """A scope that a permit reveals something in, at its epoch now."""

    permit_id: UUID
    borger_id: UUID
    purpose: str
    recipient_unit: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Ended:
    """One person's part of a permit that has just ended, with how."""

    permit_id: UUID
    use: UseKey
    outcome: str


async def read_known(
    session: ReadSession | WriteSession, permit_ids: Collection[UUID]
) -> tuple[datetime, dict[UUID, Known]]:
    """The database's clock, and what is known of these ids."""
    rows = await driver(session).fetch(_KNOWN, list(permit_ids))
    known = {
        row["permit_id"]: Known(
            row["holder_id"],
            PermitState(row["state"]),
            row["request_sha256"],
            tuple(row["consent_ids"] or ()),
            row["lease_until"],
        )
        for row in rows
        if row["permit_id"] is not None
    }
    return rows[0]["now"], known


async def insert(
    session: WriteSession, holder_id: UUID, acquired_at: datetime, permits: Sequence[NewPermit]
) -> set[UUID]:
    """Open these permits. Answers the ids that were not known yet; of the others nothing is written."""
    rows = await driver(session).fetch(
        _INSERT,
        [permit.permit_id for permit in permits],
        holder_id,
        acquired_at,
        [permit.notification_id for permit in permits],
        [permit.actor for permit in permits],
        [permit.kind for permit in permits],
        [permit.request_sha256 for permit in permits],
        [permit.lease_until for permit in permits],
        [permit.permit_id for permit in permits for _ in permit.consents],
        [consent for permit in permits for consent in permit.consents],
    )
    return {row["permit_id"] for row in rows}


async def insert_scopes(session: WriteSession, holder_id: UUID, scopes: Sequence[NewPermitScope]) -> None:
    """Write what open permits reveal: what a withdrawal looks for."""
    await driver(session).execute(
        _INSERT_SCOPES,
        [scope.permit_id for scope in scopes],
        holder_id,
        [scope.borger_id for scope in scopes],
        [scope.purpose for scope in scopes],
        [scope.recipient_unit for scope in scopes],
        [scope.epoch for scope in scopes],
    )


async def settle(session: WriteSession, holder_id: UUID, outcomes: Mapping[UUID, str]) -> list[Ended]:
    """Bring every id to *settled*, known or not; a permit of another holder stays as it is.

    Two statements: what a concurrent acquire commits while the first one waits for it, only the second one sees.
    """
    await driver(session).execute(_SETTLE, holder_id, list(outcomes), list(outcomes.values()))
    return await _close_scopes(session, holder_id, outcomes)


async def end_by_death(session: WriteSession, holder_id: UUID) -> list[Ended]:
    """End every open permit of a holder whose row this transaction has locked and found dead."""
    permit_ids = [row["permit_id"] for row in await driver(session).fetch(_LOCK_OPEN_OF, holder_id)]
    await driver(session).execute(_DIE, permit_ids)
    return await _close_scopes(session, holder_id, permit_ids)


async def _close_scopes(session: WriteSession, holder_id: UUID, permit_ids: Collection[UUID]) -> list[Ended]:
    rows = await driver(session).fetch(_CLOSE_SCOPES, holder_id, list(permit_ids))
    return [Ended(row[6], UseKey.of(row[0], row[1], row[2], row[3], acquired_at=row[4]), row[5]) for row in rows]


async def read_waiting(session: ReadSession, withdrawal_id: UUID) -> tuple[datetime, list[Waiting]]:
    """The database's clock, and the open permits of the withdrawal's scopes that are older than its epochs."""
    rows = await driver(session).fetch(_WAITING, withdrawal_id)
    return rows[0]["now"], [Waiting(*row[1:]) for row in map(tuple, rows) if row[1] is not None]
