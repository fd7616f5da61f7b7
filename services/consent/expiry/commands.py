"""Expiry on the record: the row, the history, the bus and the audit trail. Decisions read the clock anyway."""

from datetime import datetime
from uuid import uuid4

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.consents import audit as consents_audit
from services.consent.consents import store as consents_store
from services.consent.consents.audit import scope_of
from services.consent.consents.consent import Consent, Status, expire
from services.consent.consents.ending import status_at
from services.consent.consents.events import ConsentExpired, Event
from services.consent.expiry import store as expiry_store
from services.consent.grants import receipt as grants_receipt
from services.consent.http.audit import SERVICE
from services.consent.http.signing import Signer
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice
from services.consent.scopes import scopes


async def expire_consent(session: WriteSession, signer: Signer, found: Consent) -> None:
    """Write down that a consent's time has passed, with a receipt, unless something else has ended it meanwhile."""
    events: list[Event] = []

    async def act(now: datetime) -> None:
        current = await consents_store.find(session, found.consent_id, found.borger_id)
        catalogue = await catalogue_store.current(session)
        if current is None or not current.is_open or status_at(current, catalogue, now) != Status.EXPIRED:
            return
        expired = expire(current)
        await consents_store.replace(session, current, expired, at=now, actor_kind="service")
        events.append(ConsentExpired(expired))

    changed = await scopes.change(session, [scope_of(found)], act)
    await grants_receipt.prove(session, signer, events, changed)
    await append(session, consents_audit.of_events(events, SERVICE, at=changed.at, epochs=changed.epochs))


async def announce_expiry(session: WriteSession, consent: Consent) -> None:
    """Tell once, the bus and the citizen, that a consent is about to expire; it is never renewed by itself (R9)."""
    now = await clock(session)
    notice = Notice(uuid4(), consent.borger_id, "citizen", expiry_store.EXPIRING_SOON, consent.consent_id, now)
    if await notices_store.add_once(session, notice):
        await append(session, [consents_audit.of_notice(consent, SERVICE, at=now)])
