"""Writes down which open consents a fact of life has ended, under the scopes' locks (`docs/fence.md`)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession
from services.consent.consents import store as consents_store
from services.consent.consents.consent import Status, close, expire
from services.consent.consents.ending import status_at
from services.consent.consents.events import ConsentClosed, ConsentExpired, Event
from services.consent.decision.standing import why_closed
from services.consent.decision.store import load_snapshot


async def close_lapsed(
    session: WriteSession, borger_id: UUID, now: datetime, *, recipient_units: Collection[str] | None = None
) -> list[Event]:
    """Close what may not go on, of these recipients when given; one past its time is written down as expired instead.

    The person's scopes, or those with the recipients, are locked. Repeating it finds nothing more to close.
    """
    snapshot = await load_snapshot(session, [borger_id])
    person = snapshot.persons[borger_id]
    events: list[Event] = []
    for old in await consents_store.open_of(session, borger_id):
        reason = why_closed(old, person, snapshot.catalogue, now)
        if reason is None or (recipient_units is not None and old.recipient_unit not in recipient_units):
            continue
        new = expire(old) if status_at(old, snapshot.catalogue, now) is Status.EXPIRED else close(old, reason)
        await consents_store.replace(session, old, new, at=now, actor_kind="service")
        events.append(ConsentExpired(new) if new.status is Status.EXPIRED else ConsentClosed(new))
    return events
