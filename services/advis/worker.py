"""What happens without being asked: doorbells are rung.

1. A doorbell is claimed, a permit taken for this one attempt, the attempt made, the permit settled, the verdict saved:
   in that order, so that nothing rings for what the citizen has stopped (P1).
2. A refused permit cancels the notification at once, with its doorbell.
3. Consent out of reach is no attempt: the doorbell waits, and no doorbell waits for another's slow receiver.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from libs.common.database import FAILURES, Bell, Database, clock
from libs.common.log import get_logger
from services.advis import handlers_inbox, store_doorbells
from services.advis.domain.delivery import Act, Answer, Reach, Verdict, judge
from services.advis.domain.notification import Notification, State
from services.advis.entries import Actor
from services.advis.fence import ConsentUnavailableError
from services.advis.permission import Granted, Permits, Question, Shown
from services.advis.reference import Endpoint, Reference
from services.advis.sender import Sender
from services.advis.settings import Settings
from services.advis.store_doorbells import Claimed

WAIT_FOR_CONSENT = timedelta(seconds=1)
_log = get_logger()


@dataclass(frozen=True, slots=True)
class Doorbells:
    """Rings what is due, at most `settings.doorbell_batch` at once."""

    settings: Settings
    database: Database
    bell: Bell
    permits: Permits
    sender: Sender
    reference: Reference
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Ring for ever; end by cancelling, which ends every attempt and settles it."""
        try:
            while True:
                try:
                    await self.start_due()
                except FAILURES as error:
                    _log.warning("doorbells_wait", error=type(error).__name__)
                await self._pause()
        finally:
            await self.finish(cancel=True)

    async def finish(self, *, cancel: bool = False) -> None:
        """Wait for the attempts under way."""
        for task in self._under_way if cancel else ():
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _pause(self) -> None:
        """One poll interval, or less when every slot is taken and one becomes free."""
        pause_s = self.settings.doorbell_poll_ms / 1000
        if len(self._under_way) < self.settings.doorbell_batch:
            await asyncio.sleep(pause_s)
        else:
            await asyncio.wait(self._under_way, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)

    async def start_due(self) -> int:
        """Claim what is due and begin to ring it; returns how many were claimed."""
        free = self.settings.doorbell_batch - len(self._under_way)
        if free <= 0:
            return 0
        async with self.database.write() as session:
            claimed = await store_doorbells.claim(session, limit=free, claim_s=self.settings.doorbell_claim_s)
        by_unit: defaultdict[str, list[Claimed]] = defaultdict(list)
        for bell in claimed:
            by_unit[bell.recipient_unit].append(bell)
        for unit, bells in by_unit.items():
            task = asyncio.get_running_loop().create_task(self._unit(unit, bells))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        return len(claimed)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("doorbell_failed", exc_info=error)  # claimed again when the claim ends

    async def _unit(self, unit: str, bells: Sequence[Claimed]) -> None:
        """One acquire for a unit's doorbells, then every attempt on its own."""
        endpoint = self.reference.endpoints.get(unit)
        wanted = [bell for bell in bells if self._rings(bell.notification)]
        for bell in bells:
            if bell not in wanted:  # read already, or nobody of that level to ring: silence is right
                await self._save(bell, Verdict(Act.CANCEL), attempts=bell.attempts)
        if endpoint is None or not wanted:
            return
        question = Question("doorbell", Actor(endpoint.actor, "recipient_system"))
        try:
            granted = await self.permits.acquire([bell.notification for bell in wanted], question)
        except ConsentUnavailableError:
            await self._wait_for_consent(wanted)
            return
        by_notification = {bell.notification.notification_id: bell for bell in wanted}
        await self._cancel(granted)
        attempts = (self._attempt(endpoint, by_notification, granted, item) for item in granted.shown)
        for outcome in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _rings(self, notification: Notification) -> bool:
        return notification.state is State.UNREAD and self.reference.endpoint_for(notification) is not None

    async def _attempt(self, endpoint: Endpoint, bells: Mapping[UUID, Claimed], granted: Granted, item: Shown) -> None:
        bell = bells[item.notification.notification_id]
        answer = Answer(Reach.UNKNOWN)
        try:
            answer = await self.sender.ring(endpoint, bell, granted.ends_at_s)
        finally:
            granted.settle_one(item, Reach(answer.reach))
        attempts = bell.attempts + 1
        async with self.database.write() as session:
            verdict = judge(answer, attempts, await clock(session))
            await store_doorbells.save_verdict(session, bell, verdict, attempts=attempts)

    async def _cancel(self, granted: Granted) -> None:
        """What consent refused is over; the rest goes on only when that is written down."""
        if not granted.refused:
            return
        with granted.not_sent_on_failure():
            async with self.database.write() as session:
                ids = [notification.notification_id for notification in granted.refused]
                await handlers_inbox.cancel(session, ids, await clock(session))
        self.bell.ring()

    async def _wait_for_consent(self, bells: Sequence[Claimed]) -> None:
        async with self.database.write() as session:
            later = await clock(session) + WAIT_FOR_CONSENT
            for bell in bells:
                verdict = Verdict(Act.RETRY, later)
                await store_doorbells.save_verdict(session, bell, verdict, attempts=bell.attempts)

    async def _save(self, bell: Claimed, verdict: Verdict, **values: Any) -> None:
        async with self.database.write() as session:
            await store_doorbells.save_verdict(session, bell, verdict, **values)
