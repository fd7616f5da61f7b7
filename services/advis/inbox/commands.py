"""Puts a look-up on the record."""

from collections.abc import Collection
from datetime import datetime

from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import append
from services.advis.inbox import readings_store
from services.advis.model.audit import Actor, tell
from services.advis.model.events import InboxRead
from services.advis.notifications.commands import cancel
from services.advis.notifications.notification import Notification


async def record_reading(
    session: WriteSession,
    read: InboxRead,
    refused: Collection[Notification],
    *,
    actor: Actor,
    now: datetime,
    is_empty: bool = False,
) -> None:
    """One entry for the look-up itself (R20), and the cancellation of what may no longer be shown.

    A look-up that finds nothing, `is_empty`, is counted where the same one was made a moment ago (ADR 0014).
    """
    if not is_empty or await readings_store.is_first(session, read, actor, now):
        await append(session, [tell(read, actor, now)])
    await cancel(session, [notification.notification_id for notification in refused], now)
