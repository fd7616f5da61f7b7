"""Audit entries about a notification."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from libs.common.outbox.outbox import Message
from services.advis.model import events as model_events
from services.advis.model.audit import ADVIS, Actor, tell
from services.advis.model.reach import Reach
from services.advis.notifications.notification import Notification


def cancelled(notification: Notification, at: datetime) -> Iterable[Message]:
    """One entry about each person that the notification would have revealed."""
    for person in notification.persons:
        fact = model_events.NotificationCancelled(
            person, notification.notification_id, notification.recipient_unit, notification.purpose
        )
        yield tell(fact, ADVIS, at, correlation_id=notification.correlation_id)


def handled(notification: Notification, actor: Actor, at: datetime) -> Iterable[Message]:
    """One entry about each person that the notification revealed."""
    for person in notification.persons:
        fact = model_events.NotificationHandled(
            person, notification.notification_id, notification.recipient_unit, notification.purpose
        )
        yield tell(fact, actor, at, correlation_id=notification.correlation_id)


def ended(
    notification: Notification, permit_id: UUID, reach: Reach, *, actor: Actor, at: datetime
) -> Iterable[Message]:
    """One entry about each person whom the permit was about; audit matches them to consent's by the permit's id."""
    for person in notification.persons:
        fact = model_events.DisclosureEnded(
            person,
            permit_id,
            notification.notification_id,
            notification.recipient_unit,
            notification.purpose,
            reach,
        )
        yield tell(fact, actor, at, correlation_id=notification.correlation_id)
