"""What happens without being asked: doorbells are rung.

1. A doorbell is claimed, a permit taken for this one attempt, the attempt made, the permit settled, the verdict saved:
   in that order, so that nothing rings for what the citizen has stopped (P1).
2. A refused permit cancels the notification at once, with its doorbell.
3. Consent out of reach is no attempt: the doorbell waits, and no doorbell waits for another's slow receiver: each
   endpoint has its share of the attempts under way, and one that answers none of them rests, longer each time.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from libs.common.database.database import FAILURES, Bell, Database, clock
from libs.common.observing.log import get_logger
from libs.common.running.sweep import Sweep
from services.advis.consent.client import ConsentUnavailableError
from services.advis.disclosure.permits import Granted, Permits, Question, Shown
from services.advis.doorbells.sender import Sender
from services.advis.model.audit import Actor
from services.advis.model.reach import Reach
from services.advis.notifications import commands as notifications_commands
from services.advis.notifications import doorbells_store
from services.advis.notifications.doorbell import Answer, DoorbellAct, Verdict, judge
from services.advis.notifications.doorbells_store import Claimed, Room
from services.advis.notifications.notification import Notification, State
from services.advis.reference.reference import Endpoint, Reference
from services.advis.settings import Settings

WAIT_FOR_CONSENT = timedelta(seconds=1)
SILENT_S_MIN = 1.0  # that an endpoint rests after it answered none of its attempts, doubled each time
SILENT_S_MAX = 60.0
_log = get_logger()


class SilentError(Exception):
    """An endpoint has answered none of the attempts that were made together."""


@dataclass(frozen=True, slots=True)
class Doorbells:
    """Rings what is due, at most `settings.doorbell_batch` at once."""

    settings: Settings
    database: Database
    bell: Bell
    permits: Permits
    sender: Sender
    reference: Reference
    _under_way: dict[asyncio.Task[object], tuple[str, int]] = field(default_factory=dict)  # unit, doorbells
    _silent: Sweep[str] = field(default_factory=lambda: Sweep("doorbells", SILENT_S_MIN, SILENT_S_MAX))

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
        if self._room().of_all > 0:
            await asyncio.sleep(pause_s)
        else:
            await asyncio.wait(self._under_way, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)

    async def start_due(self) -> int:
        """Claim what is due and begin to ring it; returns how many were claimed."""
        room = self._room()
        if room.of_all <= 0:
            return 0
        async with self.database.write() as session:
            claimed = await doorbells_store.claim(session, room, claim_s=self.settings.doorbell_claim_s)
        by_unit: defaultdict[str, list[Claimed]] = defaultdict(list)
        for bell in claimed:
            by_unit[bell.recipient_unit].append(bell)
        for unit, bells in by_unit.items():
            ringing = self._silent.each([unit], partial(self._unit, bells=bells), str)
            task: asyncio.Task[object] = asyncio.get_running_loop().create_task(ringing)
            self._under_way[task] = (unit, len(bells))
            task.add_done_callback(self._ended)
        return len(claimed)

    def _room(self) -> Room:
        """What may be claimed now: an endpoint has its share of the attempts, and none while it rests."""
        busy: Counter[str] = Counter()
        for unit, count in self._under_way.values():
            busy[unit] += count
        share = self.settings.doorbell_batch_of_endpoint
        left = {unit: max(0, share - count) for unit, count in busy.items()} | dict.fromkeys(self._silent.resting(), 0)
        return Room(self.settings.doorbell_batch - busy.total(), share, left)

    def _ended(self, task: asyncio.Task[object]) -> None:
        del self._under_way[task]
        if not task.cancelled() and (error := task.exception()):
            _log.error("doorbell_failed", exc_info=error)  # claimed again when the claim ends

    async def _unit(self, unit: str, bells: Sequence[Claimed]) -> None:
        """One acquire for a unit's doorbells, then every attempt on its own. Raises SilentError: none was answered."""
        endpoint = self.reference.endpoints.get(unit)
        wanted = [bell for bell in bells if self._rings(bell.notification)]
        for bell in bells:
            if bell not in wanted:  # read already, or nobody of that level to ring: silence is right
                await self._save(bell, Verdict(DoorbellAct.CANCEL), attempts=bell.attempts)
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
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        if outcomes and not any(outcomes):
            raise SilentError

    def _rings(self, notification: Notification) -> bool:
        return notification.state is State.UNREAD and self.reference.endpoint_for(notification) is not None

    async def _attempt(self, endpoint: Endpoint, bells: Mapping[UUID, Claimed], granted: Granted, item: Shown) -> bool:
        """One attempt, and what came of it; whether the endpoint answered."""
        bell = bells[item.notification.notification_id]
        answer = Answer(Reach.UNKNOWN)
        try:
            answer = await self.sender.ring(endpoint, bell, granted.ends_at_s)
        finally:
            granted.settle_one(item, Reach(answer.reach))
        attempts = bell.attempts + 1
        async with self.database.write() as session:
            verdict = judge(answer, attempts, await clock(session))
            await doorbells_store.save_verdict(session, bell, verdict, attempts=attempts)
        return answer.status is not None

    async def _cancel(self, granted: Granted) -> None:
        """What consent refused is over; the rest goes on only when that is written down."""
        if not granted.refused:
            return
        with granted.not_sent_on_failure():
            async with self.database.write() as session:
                ids = [notification.notification_id for notification in granted.refused]
                await notifications_commands.cancel(session, ids, await clock(session))
        self.bell.ring()

    async def _wait_for_consent(self, bells: Sequence[Claimed]) -> None:
        async with self.database.write() as session:
            later = await clock(session) + WAIT_FOR_CONSENT
            for bell in bells:
                verdict = Verdict(DoorbellAct.RETRY, later)
                await doorbells_store.save_verdict(session, bell, verdict, attempts=bell.attempts)

    async def _save(self, bell: Claimed, verdict: Verdict, **values: Any) -> None:
        async with self.database.write() as session:
            await doorbells_store.save_verdict(session, bell, verdict, **values)
