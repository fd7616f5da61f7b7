"""From candidates to permits: what is asked for, what was granted, what was refused, and that every permit is settled.

Exactly one acquire call is made for each question, with candidates or without (P2). Every permit that may exist is
settled exactly once: by the answer that used it, or `not_sent` when anything fails before the first byte.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from libs.common.wire.permits import Kind, PermitItem, Revealed
from services.advis.consent.client import ConsentUnavailableError, Fence
from services.advis.disclosure.settlements import Settlements, Use
from services.advis.model.audit import Actor
from services.advis.model.reach import Reach
from services.advis.notifications.notification import Notification


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants to disclose in which way."""

    kind: Kind
    actor: Actor

    def about(self, notification: Notification) -> PermitItem:
        """The question about one notification, under a permit id that was never used before."""
        return PermitItem(
            permit_id=uuid4(),
            notification_id=notification.notification_id,
            kind=self.kind,
            actor=self.actor.name,
            event_type=notification.event_type,
            holder_unit=notification.holder_unit,
            recipient_unit=notification.recipient_unit,
            purpose=notification.purpose,
            reveals=tuple(
                Revealed(borger_id=told.borger_id, category=told.category, epoch=told.epoch)
                for told in notification.reveals
            ),
            correlation_id=notification.correlation_id,
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """A notification that may be disclosed, and the consents that the permit rests on."""

    notification: Notification
    consents: tuple[UUID, ...]
    use: Use


@dataclass(frozen=True, slots=True)
class Granted:
    """The answer to one question: what may be disclosed until `ends_at_s` (monotonic), and what must be cancelled."""

    shown: tuple[Shown, ...]
    refused: tuple[Notification, ...]
    ends_at_s: float
    settlements: Settlements

    def settle(self, reach: Reach) -> None:
        """Say once how far the disclosure of everything in it came."""
        self.settlements.add([item.use for item in self.shown], reach)

    def settle_one(self, item: Shown, reach: Reach) -> None:
        """Say once how far one of several separate disclosures came."""
        self.settlements.add([item.use], reach)

    @contextmanager
    def not_sent_on_failure(self) -> Iterator[None]:
        """Give the permits back when preparing the answer fails; on success the answer settles them."""
        try:
            yield
        except BaseException:
            self.settle(Reach.NOT_SENT)
            raise


class Permits:
    """Asks consent for permission on behalf of this process's holder."""

    def __init__(self, fence: Fence, settlements: Settlements) -> None:
        self._fence = fence
        self._settlements = settlements

    async def acquire(self, candidates: Sequence[Notification], question: Question) -> Granted:
        """One acquire call for all candidates. Raises ConsentUnavailableError after giving everything back.

        Where too many outcomes wait to be settled or recorded nothing is asked, and nothing more is disclosed.
        """
        if self._settlements.is_full:
            raise ConsentUnavailableError
        asked = [(notification, question.about(notification)) for notification in candidates]
        uses = {item.permit_id: Use(item.permit_id, about, question.actor) for about, item in asked}
        try:
            grant = await self._fence.acquire([item for _, item in asked])
        except BaseException:
            self._settlements.add(list(uses.values()), Reach.NOT_SENT)
            raise
        shown = tuple(
            Shown(about, grant.permits[item.permit_id].consents, uses[item.permit_id])
            for about, item in asked
            if item.permit_id in grant.permits
        )
        refused = tuple(about for about, item in asked if item.permit_id not in grant.permits)
        return Granted(shown, refused, grant.ends_at_s, self._settlements)

    async def would_refuse(self, candidates: Sequence[Notification], question: Question) -> tuple[Notification, ...]:
        """Those that consent would refuse now. One call, also for none. Raises ConsentUnavailableError."""
        asked = {question.about(notification): notification for notification in candidates}
        granted = await self._fence.would_grant(list(asked))
        return tuple(about for item, about in asked.items() if item.permit_id not in granted)
