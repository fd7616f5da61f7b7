"""Withdrawals, refusals and what else ends a right to disclose: which epochs each waits for, and if it is drained."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from libs.common.database.database import ReadSession, Session, WriteSession, driver
from services.consent.model.scope import ScopeKey

_COLUMNS = "withdrawal_id, borger_id, act, object_id, registered_at, drained_at, receipt_id"
_INSERT = """
INSERT INTO withdrawal (withdrawal_id, borger_id, act, object_id, registered_at, receipt_id)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_INSERT_SCOPES = """
INSERT INTO withdrawal_scope (withdrawal_id, borger_id, purpose, recipient_unit, epoch)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[])
"""
_SELECT = f"SELECT {_COLUMNS} FROM withdrawal WHERE"  # noqa: S608 - constants only
_OF_OBJECT = f"{_SELECT} borger_id = $1 AND object_id = $2 AND act = $3"
_READ = f"{_SELECT} borger_id = $1 AND withdrawal_id = $2"
_DRAINING = (
    f"{_SELECT} drained_at IS NULL AND (registered_at, withdrawal_id) > ($1, $2)"
    " ORDER BY registered_at, withdrawal_id LIMIT $3"
)
_INSERT_PARTS = """
INSERT INTO withdrawal_part (withdrawal_id, consent_id, outcome, receipt_id)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::uuid[])
"""
_PARTS = """
SELECT p.consent_id, p.outcome, p.receipt_id, r.jws FROM withdrawal_part p
LEFT JOIN receipt r ON r.receipt_id = p.receipt_id WHERE p.withdrawal_id = $1 ORDER BY p.consent_id
"""
_OF_CONSENT = f"""
{_SELECT} borger_id = $1 AND withdrawal_id = (SELECT p.withdrawal_id FROM withdrawal_part p
WHERE p.consent_id = $2 AND p.outcome IN ('withdrawn', 'declined') LIMIT 1)
"""  # noqa: S608 - constants only
_DRAINED = """
UPDATE withdrawal SET drained_at = clock_timestamp() WHERE withdrawal_id = $1 AND drained_at IS NULL
RETURNING drained_at
"""


class Act(StrEnum):
    """How a right to disclose ends. `withdrawals`: of several consents; `narrowing`: consent to less than before."""

    WITHDRAWAL = "withdrawal"
    WITHDRAWALS = "withdrawals"
    NARROWING = "narrowing"
    REFUSAL = "refusal"
    AUTHORITY_CONFIRMED = "authority_confirmed"
    AUTHORITY_ENDED = "authority_ended"
    RESTRICTION = "restriction"
    BASIS_ENDED = "basis_ended"

    @property
    def object_name(self) -> str:
        """What the act's object is called wherever it is named."""
        return _OBJECT_NAMES.get(self, "consent_id")


_OBJECT_NAMES = {
    Act.WITHDRAWALS: "act_id",
    Act.REFUSAL: "refusal_id",
    Act.RESTRICTION: "restriction_id",
    Act.BASIS_ENDED: "basis_id",
    Act.AUTHORITY_CONFIRMED: "authority_id",
    Act.AUTHORITY_ENDED: "authority_id",
}
Outcome = Literal["withdrawn", "declined", "already_ended", "replaced"]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An act that ended a right to disclose. `object_id`: the consent, the refusal, the authority, or the like.

    `receipt_id`: of the act itself; where it is about several consents, each has its own (`Part`).
    """

    withdrawal_id: UUID
    borger_id: UUID
    act: Act
    object_id: UUID
    registered_at: datetime
    drained_at: datetime | None
    receipt_id: UUID | None


@dataclass(frozen=True, slots=True)
class Part:
    """What an act did to one consent. `receipt`: a compact JWS, when there is one. `replaced`: a newer one stands."""

    consent_id: UUID
    outcome: Outcome
    receipt_id: UUID | None
    receipt: str | None


async def insert(session: WriteSession, withdrawal: Withdrawal) -> None:
    """Write it down, in the transaction that makes it true."""
    w = withdrawal
    await driver(session).execute(
        _INSERT, w.withdrawal_id, w.borger_id, w.act, w.object_id, w.registered_at, w.receipt_id
    )


async def insert_scopes(session: WriteSession, withdrawal_id: UUID, epochs: Mapping[ScopeKey, int]) -> None:
    """Which scopes it ended something in, and the epochs that its drain is for."""
    await driver(session).execute(
        _INSERT_SCOPES,
        withdrawal_id,
        [key.borger_id for key in epochs],
        [key.purpose for key in epochs],
        [key.recipient_unit for key in epochs],
        list(epochs.values()),
    )


async def insert_parts(session: WriteSession, withdrawal_id: UUID, parts: Collection[Part]) -> None:
    """What it did to each consent."""
    await driver(session).execute(
        _INSERT_PARTS,
        withdrawal_id,
        [part.consent_id for part in parts],
        [part.outcome for part in parts],
        [part.receipt_id for part in parts],
    )


async def read_parts(session: Session, withdrawal_id: UUID) -> list[Part]:
    """What it did to each consent, with the receipts, by id."""
    return [Part(*row) for row in await driver(session).fetch(_PARTS, withdrawal_id)]


async def read_of_consent(session: Session, borger_id: UUID, consent_id: UUID) -> Withdrawal | None:
    """The act by which the citizen ended this consent, alone or with others."""
    row = await driver(session).fetchrow(_OF_CONSENT, borger_id, consent_id)
    return _withdrawal(row) if row else None


async def read_of_object(session: Session, borger_id: UUID, act: Act, object_id: UUID) -> Withdrawal | None:
    """What this act on this consent, or this refusal, made its answer wait for."""
    row = await driver(session).fetchrow(_OF_OBJECT, borger_id, object_id, act)
    return _withdrawal(row) if row else None


async def purposes_of(session: Session, withdrawal_id: UUID) -> frozenset[str]:
    """What it ended something for: who acts for the citizen in some purposes sees no other's."""
    query = "SELECT DISTINCT purpose FROM withdrawal_scope WHERE withdrawal_id = $1"
    return frozenset(row[0] for row in await driver(session).fetch(query, withdrawal_id))


async def read(session: Session, borger_id: UUID, withdrawal_id: UUID) -> Withdrawal | None:
    """One of this citizen's withdrawals."""
    row = await driver(session).fetchrow(_READ, borger_id, withdrawal_id)
    return _withdrawal(row) if row else None


async def mark_drained(session: WriteSession, withdrawal_id: UUID) -> datetime | None:
    """Write down that nothing older is in flight; None when somebody has already."""
    moment: datetime | None = await driver(session).fetchval(_DRAINED, withdrawal_id)
    return moment


async def read_draining(session: ReadSession, after: Withdrawal | None, *, limit: int) -> list[Withdrawal]:
    """Those that nobody has seen drained, oldest first, from the one `after` on."""
    since = (
        (datetime.min.replace(tzinfo=UTC), UUID(int=0)) if after is None else (after.registered_at, after.withdrawal_id)
    )
    return [_withdrawal(row) for row in await driver(session).fetch(_DRAINING, *since, limit)]


def _withdrawal(row: Sequence[Any]) -> Withdrawal:
    withdrawal_id, borger_id, act, *rest = row
    return Withdrawal(withdrawal_id, borger_id, Act(act), *rest)
