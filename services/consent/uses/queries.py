"""Reads the log of uses; the reading is on the record."""

from collections.abc import Sequence
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.uses import pages_store
from services.consent.uses.pages_store import UseLine, UsePlace


async def list_uses(
    session: WriteSession,
    actor: Actor,
    borger_id: UUID,
    *,
    purposes: frozenset[str] | None,
    after: UsePlace | None,
    limit: int,
) -> Sequence[UseLine]:
    """What was told about the citizen, newest first, without any employee's identity. Audited as `uses.listed`.

    `purposes`: of these only; None: of all.
    """
    now = await clock(session)
    found = await pages_store.page(session, borger_id, purposes=purposes, after=after, limit=limit)
    await append(session, [http_audit.of_read("uses.listed", actor, subject=borger_id, at=now)])
    return found
