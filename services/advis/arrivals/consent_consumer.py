"""Events of consent from the bus: they decide nothing, and make advis ask consent again."""

from collections.abc import Sequence
from typing import get_args
from uuid import UUID

from pydantic import ValidationError

from libs.common.bus.cloudevents import from_delivery
from libs.common.bus.port import Delivery
from libs.common.consuming.consumer import NotYetError, PoisonRecordError
from libs.common.consuming.inbox import first_seen_of
from libs.common.database.database import Database, WriteSession, clock
from libs.common.wire.messages import ConsentChange, ConsentEventData
from libs.common.wire.permits import BATCH_MAX
from services.advis.arrivals.consumer import _ASK_AGAIN, _citizen
from services.advis.consent.client import ConsentUnavailableError
from services.advis.disclosure.permits import Permits
from services.advis.notifications import commands as notifications_commands
from services.advis.notifications import store as notifications_store
from services.advis.notifications.notification import Notification

GROUP_CONSENT_EVENTS = "advis.consent-events"


_CHANGES = frozenset(get_args(ConsentChange))


class ConsentEvents:
    """`consent.events` → notifications that would no longer be permitted are cancelled."""

    def __init__(self, database: Database, permits: Permits) -> None:
        self._database = database
        self._permits = permits

    def alone(self, _delivery: Delivery) -> bool:
        """Never: no citizen's locks are held."""
        return False

    async def prepare(self, deliveries: Sequence[Delivery]) -> list[UUID]:
        """The notifications that consent would refuse now. Raises NotYetError and PoisonRecordError."""
        scopes = frozenset(scope for delivery in deliveries for scope in _scope(delivery))
        refused: list[UUID] = []
        after: UUID | None = None
        while scopes:
            async with self._database.read() as session:
                page = await notifications_store.in_scopes(session, scopes, limit=BATCH_MAX, after=after)
            refused += [notification.notification_id for notification in await self._refused(page)]
            if not page.reaches(BATCH_MAX):
                break
            after = page[-1].notification_id
        return refused

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: list[UUID]) -> None:
        """Cancel, in one transaction with the inbox keys."""
        events = [from_delivery(delivery) for delivery in deliveries]
        await first_seen_of(session, [(event.source, event.id) for event in events])
        await notifications_commands.cancel(session, prepared, await clock(session))

    async def _refused(self, page: Sequence[Notification]) -> Sequence[Notification]:
        if not page:
            return ()
        try:
            return await self._permits.would_refuse(page, _ASK_AGAIN)
        except ConsentUnavailableError as error:
            raise NotYetError from error


def _scope(delivery: Delivery) -> tuple[tuple[UUID, str, str], ...]:
    """The scope that changed: person, purpose, recipient unit. Empty for a type that is new to us."""
    event = from_delivery(delivery)
    if event.type not in _CHANGES:
        return ()
    try:
        data = ConsentEventData.model_validate_json(event.data)
    except ValidationError as error:
        raise PoisonRecordError("invalid_data") from error
    return ((_citizen(event.subject), data.purpose, data.recipient_unit),)
