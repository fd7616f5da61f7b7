"""Loads and saves consents with declarations and history. A row is replaced only at the revision it was read at."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.common.database import rows
from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable
from services.consent.consents.consent import Consent, Declaration, Status
from services.consent.consents.record import record
from services.consent.consents.tables import consent as consent_table
from services.consent.consents.tables import declaration

CONSENT_DOCUMENT = (
    "to_jsonb(k) || jsonb_build_object('declarations',"
    " (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.at, d.declaration_id), '[]') FROM declaration d"
    " WHERE d.consent_id = k.consent_id))"
)
SELECT_CONSENT = f"SELECT {CONSENT_DOCUMENT} FROM consent k WHERE "  # noqa: S608 - constants only
_ONE = SELECT_CONSENT + "k.consent_id = $1 AND k.borger_id = $2"
_OPEN = (
    SELECT_CONSENT + "k.borger_id = $1 AND k.purpose = $2 AND k.holder_unit = $3 AND k.recipient_unit = $4"
    " AND k.status IN ('requested', 'pending_signature', 'active') ORDER BY k.requested_at"
)
_THESE = SELECT_CONSENT + "k.borger_id = $1 AND k.consent_id = ANY($2::uuid[]) ORDER BY k.consent_id"
_OPEN_OF = SELECT_CONSENT + (
    "k.borger_id = $1 AND k.status IN ('requested', 'pending_signature', 'active') ORDER BY k.consent_id"
)
_PAGE = (
    SELECT_CONSENT + "k.borger_id = $1 AND ($2::text IS NULL OR $2::text = CASE"
    " WHEN k.status IN ('requested', 'pending_signature', 'active') AND least(k.valid_until, k.ceiling_until,"
    " CASE WHEN k.status <> 'active' THEN k.answer_by END, (k.given_at AT TIME ZONE 'UTC'"
    " + make_interval(months => ($7::jsonb ->> k.legal_basis)::int)) AT TIME ZONE 'UTC') <= $3"
    " THEN 'expired' ELSE k.status END)"
    " AND (k.requested_at, k.consent_id) < ($4::timestamptz, $5::uuid)"
    " AND ($8::text[] IS NULL OR k.purpose = ANY($8::text[]))"
    " ORDER BY k.requested_at DESC, k.consent_id DESC LIMIT $6"
)
_HISTORY = "SELECT * FROM consent_history WHERE consent_id = $1 ORDER BY revision"
_COLUMNS = [column.name for column in consent_table.columns]
# A row is written from one JSON document with the columns' own names: one statement, one round trip.
_WITH_IT = """
  declared AS (
  INSERT INTO declaration SELECT d.* FROM written, jsonb_populate_recordset(NULL::declaration, $2::jsonb) d)
, remembered AS (
  INSERT INTO consent_history SELECT h.* FROM written, jsonb_populate_record(NULL::consent_history, $3::jsonb) h)
SELECT count(*) FROM written
"""
_ADD = f"""
WITH written AS (
  INSERT INTO consent SELECT * FROM jsonb_populate_record(NULL::consent, $1::jsonb) RETURNING consent_id),
{_WITH_IT}"""  # noqa: S608 - constants only
_REPLACE = f"""
WITH written AS (
  UPDATE consent k SET {", ".join(f"{name} = n.{name}" for name in _COLUMNS)}
  FROM jsonb_populate_record(NULL::consent, $1::jsonb) n
  WHERE k.consent_id = n.consent_id AND k.revision = $4 RETURNING k.consent_id),
{_WITH_IT}"""  # noqa: S608 - constants only


class StaleRevisionError(Exception):
    """The consent changed since it was read; the scope's lock was not held."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One line of a consent's history."""

    revision: int
    at: datetime
    status: Status
    actor_kind: str
    reason: str | None


async def find(session: Session, consent_id: UUID, borger_id: UUID) -> Consent | None:
    """The consent, when it is this citizen's."""
    return await rows.one(session, Consent, _ONE, consent_id, borger_id)


async def open_for(session: Session, borger_id: UUID, purpose: str, pair: tuple[str, str]) -> tuple[Consent, ...]:
    """What is in force or waits for the same question; `pair` is (holder unit, recipient unit)."""
    return await rows.rows(session, Consent, _OPEN, borger_id, purpose, *pair)


async def open_of(session: Session, borger_id: UUID) -> tuple[Consent, ...]:
    """Everything of a person's that has not ended."""
    return await rows.rows(session, Consent, _OPEN_OF, borger_id)


async def find_all(session: Session, borger_id: UUID, consent_ids: Collection[UUID]) -> tuple[Consent, ...]:
    """Those of these that are this citizen's, by id."""
    return await rows.rows(session, Consent, _THESE, borger_id, list(consent_ids))


async def page(
    session: Session,
    borger_id: UUID,
    status: Status | None,
    *,
    purposes: Collection[str] | None,
    now: datetime,
    ceilings: Mapping[str, int],
    after: tuple[datetime, UUID],
    limit: int,
) -> Readable[Consent]:
    """Newest first, older than `after` = (requested at, id) of the last one seen.

    `purposes`: of these only; None: of all. `status`: as it reads at `now`, under `ceilings`, the months that each
    legal basis allows today.
    """
    wanted = None if status is None else str(status)
    months = orjson.dumps(dict(ceilings)).decode()
    shown = None if purposes is None else sorted(purposes)
    found = await driver(session).fetch(_PAGE, borger_id, wanted, now, *after, limit, months, shown)
    return readable(found, rows.reader(Consent), name="consents")


async def history(session: Session, consent_id: UUID) -> tuple[Revision, ...]:
    """All revisions, oldest first."""
    return await rows.rows(session, Revision, _HISTORY, consent_id)


async def add(session: WriteSession, consent: Consent, *, at: datetime, actor_kind: str) -> None:
    """Insert a new consent with its declarations and its first line of history, in one statement."""
    history = _history_row(consent, at=at, actor_kind=actor_kind)
    added = _declaration_rows(consent, consent.declarations)
    await driver(session).execute(_ADD, _json(rows.columns(consent_table, consent)), _json(added), _json(history))


async def replace(session: WriteSession, old: Consent, new: Consent, *, at: datetime, actor_kind: str) -> None:
    """Write the next revision. Raises StaleRevisionError when the row is not at `old`'s."""
    known = {item.declaration_id for item in old.declarations}
    added = _declaration_rows(new, tuple(item for item in new.declarations if item.declaration_id not in known))
    history = _history_row(new, at=at, actor_kind=actor_kind)
    found = await driver(session).fetchval(
        _REPLACE, _json(rows.columns(consent_table, new)), _json(added), _json(history), old.revision
    )
    if found != 1:
        raise StaleRevisionError


def _json(value: object) -> str:
    return orjson.dumps(value, default=str).decode()  # the driver's own UUIDs are no plain ones


def _history_row(consent: Consent, *, at: datetime, actor_kind: str) -> dict[str, Any]:
    return {
        "consent_id": consent.consent_id,
        "revision": consent.revision,
        "at": at,
        "status": str(consent.status),
        "actor_kind": actor_kind,
        "reason": None if consent.closed_reason is None else str(consent.closed_reason),
        "snapshot": record(consent),
    }


def _declaration_rows(consent: Consent, added: tuple[Declaration, ...]) -> list[dict[str, Any]]:
    return [{**rows.columns(declaration, item), "consent_id": consent.consent_id} for item in added]
