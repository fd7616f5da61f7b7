"""Looks at one person anew: what may not go on by now is closed, and who has come of an age is told. Repeatable."""

from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import handlers_ages, handlers_endings, records, scopes, store_consents, store_scopes
from services.consent.closing import close_lapsed
from services.consent.domain.events import Event
from services.consent.domain.standing import why_closed
from services.consent.receipts import Signer
from services.consent.records import SERVICE
from services.consent.store_snapshot import load_snapshot


async def reconsider(session: WriteSession, signer: Signer, borger_id: UUID) -> int:
    """How many consents closed or were written down as expired. Locks and bumps nothing when there is nothing to do."""
    await handlers_ages.tell_of_age(session, borger_id, await clock(session))
    if not await _has_lapsed(session, borger_id):
        return 0
    events: list[Event] = []

    async def work(now: datetime) -> None:
        events.extend(await close_lapsed(session, borger_id, now))

    changed = await scopes.change(session, await store_scopes.keys_of(session, [borger_id]), work)
    await handlers_endings.prove(session, signer, events, changed)
    await append(session, records.of_events(events, SERVICE, at=changed.at, epochs=changed.epochs))
    return len(events)


async def _has_lapsed(session: WriteSession, borger_id: UUID) -> bool:
    now = await clock(session)
    snapshot = await load_snapshot(session, [borger_id])
    person = snapshot.persons.get(borger_id)
    running = await store_consents.open_of(session, borger_id)
    return person is not None and any(why_closed(item, person, snapshot.catalogue, now) is not None for item in running)
