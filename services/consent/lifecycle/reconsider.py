"""Looks at one person anew: what may not go on by now is closed, and who has come of an age is told. Repeatable."""

from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.consents import audit as consents_audit
from services.consent.consents import store as consents_store
from services.consent.consents.events import Event
from services.consent.decision.standing import why_closed
from services.consent.decision.store import load_snapshot
from services.consent.expiry.closing import close_lapsed
from services.consent.grants import receipt as grants_receipt
from services.consent.http.audit import SERVICE
from services.consent.http.signing import Signer
from services.consent.notices import ages
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store


async def reconsider(session: WriteSession, signer: Signer, borger_id: UUID) -> int:
    """How many consents closed or were written down as expired. Locks and bumps nothing when there is nothing to do."""
    await ages.tell_of_age(session, borger_id, await clock(session))
    if not await _has_lapsed(session, borger_id):
        return 0
    events: list[Event] = []

    async def work(now: datetime) -> None:
        events.extend(await close_lapsed(session, borger_id, now))

    changed = await scopes.change(session, await scopes_store.keys_of(session, [borger_id]), work)
    await grants_receipt.prove(session, signer, events, changed)
    await append(session, consents_audit.of_events(events, SERVICE, at=changed.at, epochs=changed.epochs))
    return len(events)


async def _has_lapsed(session: WriteSession, borger_id: UUID) -> bool:
    now = await clock(session)
    snapshot = await load_snapshot(session, [borger_id])
    person = snapshot.persons.get(borger_id)
    running = await consents_store.open_of(session, borger_id)
    return person is not None and any(why_closed(item, person, snapshot.catalogue, now) is not None for item in running)
