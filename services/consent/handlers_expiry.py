"""Expiry on the record: the row, the history, the bus and the audit trail. Decisions read the clock anyway."""

from datetime import datetime
from uuid import uuid4

from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import (
    handlers_endings,
    records,
    scopes,
    store_catalogue,
    store_consents,
    store_endings,
    store_notices,
)
from services.consent.domain.consent import Consent, Status, expire
from services.consent.domain.ending import status_at
from services.consent.domain.events import ConsentExpired, Event
from services.consent.receipts import Signer
from services.consent.records import SERVICE, scope_of
from services.consent.store_notices import Notice


async def expire_consent(session: WriteSession, signer: Signer, found: Consent) -> None:
    """Write down that a consent's time has passed, with a receipt, unless something else has ended it meanwhile."""
    events: list[Event] = []

    async def act(now: datetime) -> None:
        current = await store_consents.find(session, found.consent_id, found.borger_id)
        catalogue = await store_catalogue.current(session)
        if current is None or not current.is_open or status_at(current, catalogue, now) != Status.EXPIRED:
            return
        expired = expire(current)
        await store_consents.replace(session, current, expired, at=now, actor_kind="service")
        events.append(ConsentExpired(expired))

    changed = await scopes.change(session, [scope_of(found)], act)
    await handlers_endings.prove(session, signer, events, changed)
    await append(session, records.of_events(events, SERVICE, at=changed.at, epochs=changed.epochs))


async def announce_expiry(session: WriteSession, consent: Consent) -> None:
    """Tell once, the bus and the citizen, that a consent is about to expire; it is never renewed by itself (R9)."""
    now = await clock(session)
    notice = Notice(uuid4(), consent.borger_id, "citizen", store_endings.EXPIRING_SOON, consent.consent_id, now)
    if await store_notices.add_once(session, notice):
        await append(session, [records.of_notice(consent, SERVICE, at=now)])
