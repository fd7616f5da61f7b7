"""What a reader does with notifications, and what a refused permit does to them. One transaction each."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import append
from services.advis.model.audit import Actor
from services.advis.notifications import audit as notifications_audit
from services.advis.notifications import doorbell, doorbells_store
from services.advis.notifications import store as notifications_store
from services.advis.notifications.notification import Act, State, after

STEP = 100  # notifications between two rounds of statements


async def cancel(session: WriteSession, notification_ids: Collection[UUID], now: datetime) -> int:
    """Take these notifications and their doorbells away; returns how many were not cancelled already.

    In the order of their ids, a step at a time: a long silence inside a transaction would end it (docs/fence.md).
    """
    in_order = sorted(notification_ids)
    gone = 0
    for start in range(0, len(in_order), STEP):
        gone += await _cancel_step(session, in_order[start : start + STEP], now)
    return gone


async def _cancel_step(session: WriteSession, notification_ids: Collection[UUID], now: datetime) -> int:
    found = await notifications_store.lock(session, notification_ids)
    showing = [notification for notification in found if notification.state is not State.CANCELLED]
    states = {notification.notification_id: after(notification.state, Act.CANCEL) for notification in showing}
    await notifications_store.save_states(session, states, now)
    silenced = doorbell.after(doorbell.DoorbellState.DUE, doorbell.DoorbellAct.CANCEL)
    await doorbells_store.close_due(session, list(states), silenced)
    await append(
        session, [entry for notification in showing for entry in notifications_audit.cancelled(notification, now)]
    )
    return len(showing)


async def act(session: WriteSession, notification_id: UUID, what: Act, *, actor: Actor, now: datetime) -> State | None:
    """Open or handle a notification; the state it has now, or None when it was cancelled meanwhile."""
    found = await notifications_store.lock(session, [notification_id])
    if not found or found[0].state is State.CANCELLED:
        return None
    notification = found[0]
    state = after(notification.state, what)
    if state is not notification.state:
        await notifications_store.save_states(session, {notification_id: state}, now)
        if what is Act.HANDLE:
            await append(session, list(notifications_audit.handled(notification, actor, now)))
    return state
