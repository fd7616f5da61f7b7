"""What a reader does with notifications, and what a refused permit does to them. One transaction each."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession
from libs.common.outbox import append
from services.advis import entries, store_doorbells, store_notifications, store_readings
from services.advis.domain import delivery
from services.advis.domain.events import InboxRead
from services.advis.domain.notification import Act, Notification, State, after
from services.advis.entries import Actor, tell

STEP = 100  # notifications between two rounds of statements


async def cancel(session: WriteSession, notification_ids: Collection[UUID], now: datetime) -> int:
    """Take these notifications and their doorbells away; returns how many were not cancelled already.

    In the order of their ids, a step at a time: a long silence inside a transaction would end it (fence.md §2).
    """
    in_order = sorted(notification_ids)
    gone = 0
    for start in range(0, len(in_order), STEP):
        gone += await _cancel_step(session, in_order[start : start + STEP], now)
    return gone


async def _cancel_step(session: WriteSession, notification_ids: Collection[UUID], now: datetime) -> int:
    found = await store_notifications.lock(session, notification_ids)
    showing = [notification for notification in found if notification.state is not State.CANCELLED]
    states = {notification.notification_id: after(notification.state, Act.CANCEL) for notification in showing}
    await store_notifications.save_states(session, states, now)
    silenced = delivery.after(delivery.State.DUE, delivery.Act.CANCEL)
    await store_doorbells.close_due(session, list(states), silenced)
    await append(session, [entry for notification in showing for entry in entries.cancelled(notification, now)])
    return len(showing)


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
    if not is_empty or await store_readings.is_first(session, read, actor, now):
        await append(session, [tell(read, actor, now)])
    await cancel(session, [notification.notification_id for notification in refused], now)


async def act(session: WriteSession, notification_id: UUID, what: Act, *, actor: Actor, now: datetime) -> State | None:
    """Open or handle a notification; the state it has now, or None when it was cancelled meanwhile."""
    found = await store_notifications.lock(session, [notification_id])
    if not found or found[0].state is State.CANCELLED:
        return None
    notification = found[0]
    state = after(notification.state, what)
    if state is not notification.state:
        await store_notifications.save_states(session, {notification_id: state}, now)
        if what is Act.HANDLE:
            await append(session, list(entries.handled(notification, actor, now)))
    return state
