"""What employees have attested: rows replaced only at the revision they were read at, never deleted (R10)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from libs.common.database import rows
from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable
from services.consent.attestations.attestation import Attestation, AttestedStatus
from services.consent.attestations.tables import attestation as table

_SELECT = "SELECT * FROM attestation a WHERE "
_ONE = _SELECT + "a.attestation_id = $1"
_LOCK = _ONE + " FOR UPDATE"
_PAGE = _SELECT + (
    "a.attested_unit = $1 AND ($2::text IS NULL OR $2 = CASE"
    " WHEN a.status = 'proposed' AND a.lapses_at <= $3 THEN 'lapsed' ELSE a.status END)"
    " AND (a.registered_at, a.attestation_id) < ($4::timestamptz, $5::uuid)"
    " ORDER BY a.registered_at DESC, a.attestation_id DESC LIMIT $6"
)
_DUE = (
    _SELECT + "a.status = 'proposed' AND a.lapses_at <= $1 AND a.attestation_id <> ALL($3::uuid[])"
    " ORDER BY a.lapses_at LIMIT $2"
)
_REPLACE = """
UPDATE attestation SET status = $3, decided_by = $4, decided_at = $5, object_id = $6, revision = $7
WHERE attestation_id = $1 AND revision = $2
"""
_SAID_NO_SINCE = """
SELECT EXISTS (SELECT 1 FROM refusal f
               WHERE f.borger_id = $1 AND (f.purpose IS NULL OR f.purpose = $2)
                 AND (f.recipient_unit IS NULL OR f.recipient_unit = $4) AND f.recorded_at > $5)
    OR EXISTS (SELECT 1 FROM consent k JOIN consent_history h ON h.consent_id = k.consent_id
               WHERE k.borger_id = $1 AND k.purpose = $2 AND k.holder_unit = $3 AND k.recipient_unit = $4
                 AND h.status IN ('withdrawn', 'declined') AND h.at > $5)
"""


class StaleAttestationError(Exception):
    """The attestation changed since it was read."""


async def add(session: WriteSession, new: Attestation) -> None:
    """Write one down."""
    await rows.add(session, table, new)


async def find(session: Session, attestation_id: UUID) -> Attestation | None:
    """One attestation."""
    return await rows.one(session, Attestation, _ONE, attestation_id)


async def lock(session: WriteSession, attestation_id: UUID) -> Attestation | None:
    """One attestation, locked until the transaction ends."""
    return await rows.one(session, Attestation, _LOCK, attestation_id)


async def page(
    session: Session,
    unit: str,
    status: AttestedStatus | None,
    *,
    now: datetime,
    after: tuple[datetime, UUID],
    limit: int,
) -> Readable[Attestation]:
    """What a unit has attested, newest first, older than `after`. `status`: as it reads at `now`."""
    wanted = None if status is None else str(status)
    found = await driver(session).fetch(_PAGE, unit, wanted, now, *after, limit)
    return readable(found, rows.reader(Attestation), name="attestations")


async def due(
    session: Session, now: datetime, limit: int, *, resting: Collection[UUID] = ()
) -> tuple[Attestation, ...]:
    """Proposals that nobody has confirmed in time and that no row says have lapsed, without the `resting`."""
    return await rows.rows(session, Attestation, _DUE, now, limit, list(resting))


async def replace(session: WriteSession, old: Attestation, new: Attestation) -> None:
    """Write the next revision. Raises StaleAttestationError when the row is not at `old`'s."""
    values = (str(new.status), new.decided_by, new.decided_at, new.object_id, new.revision)
    done = await driver(session).execute(_REPLACE, old.attestation_id, old.revision, *values)
    if done.split()[-1] != "1":
        raise StaleAttestationError


async def has_said_no_since(
    session: Session, borger_id: UUID, purpose: str, pair: tuple[str, str], *, since: datetime
) -> bool:
    """Whether there is a withdrawal or a no to the same question, or a refusal that covers it, later than `since`."""
    return bool(await driver(session).fetchval(_SAID_NO_SINCE, borger_id, purpose, *pair, since))
