"""Reads an employee's requests; the reading is on the record."""

from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.consents.queries import _LAST
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.requests import store as requests_store
from services.consent.requests.request import Request


async def list_requests(
    session: WriteSession,
    actor: Actor,
    borger_id: UUID,
    *,
    purposes: frozenset[str] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[tuple[Request, ...], Catalogue, datetime]:
    """What the citizen was asked for, newest first, with the words for it, and the moment to read its state at.

    `purposes`: of these only; None: of all. Audited as `requests.listed`.
    """
    now = await clock(session)
    found = await requests_store.page(session, borger_id, purposes=purposes, before=after or (now, _LAST), limit=limit)
    await append(session, [http_audit.of_read("requests.listed", actor, subject=borger_id, at=now)])
    return found, await catalogue_store.current(session), now
