"""Settling permits: collected while the previous call is under way, sent in batches, repeated until accepted.

1. A withdrawal's answer waits for this, so nothing is held back to make a batch larger.
2. The audit entry is written before the permit ends, so that audit finds the outcome of every permit that did not die
   with its holder; but a database that is away, or hangs, delays only the entry.
3. A batch that is not accepted is followed by a smaller one of the others, so that a slow consent gets through what it
   can do in the time of one call, and one permit that it cannot settle holds up no other.
4. No outcome is dropped: with WAITING_MAX of them waiting no new permit is taken. What is still here when the process
   dies is settled by its confirmed death (docs/fence.md).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

from libs.common.database.database import FAILURES, Bell, Database
from libs.common.observing.log import get_logger
from libs.common.outbox.outbox import Message, append
from libs.common.wire.permits import BATCH_MAX, SettleItem
from services.advis.consent.client import ConsentUnavailableError, Fence
from services.advis.model.audit import Actor
from services.advis.model.reach import Reach
from services.advis.notifications.audit import ended
from services.advis.notifications.notification import Notification

RETRY_S_MIN = 0.05
RETRY_S_MAX = 2.0
SHRINK = 4  # a withdrawal waits for each try that is too large, and a call may take seconds: few tries
GROW = 8  # by an eighth after each batch accepted: several are, for each one that is found too large again
RECORD_RETRY_S = 1.0
RECORD_S_MAX = 0.5  # a database that hangs must not hold up a settle, and with it a citizen's withdrawal
WAITING_MAX = 10_000  # outcomes, or entries about them, that wait; then no new permit is taken until fewer do

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Use:
    """One permit, what it was for and who used it."""

    permit_id: UUID
    notification: Notification
    actor: Actor


class Settlements:
    """The queue of permits that have ended here and not yet at consent."""

    def __init__(self, fence: Fence, database: Database, bell: Bell) -> None:
        self._fence = fence
        self._database = database
        self._bell = bell
        self._ended: list[SettleItem] = []
        self._ready: deque[SettleItem] = deque()  # whose entries are written, or were tried to be
        self._entries: list[Message] = []
        self._recording: asyncio.Task[None] | None = None
        self._batch_max = BATCH_MAX
        self._pause_s = RETRY_S_MIN
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_full(self) -> bool:
        """Whether so much waits to be settled or recorded that nothing more may be disclosed; what waits is kept."""
        return max(len(self._ended) + len(self._ready), len(self._entries)) >= WAITING_MAX

    def add(self, uses: Sequence[Use], reach: Reach) -> None:
        """Say that these permits were used (or not). Returns at once."""
        if not uses:
            return
        at = datetime.now(UTC)
        for use in uses:
            self._ended.append(SettleItem(permit_id=use.permit_id, outcome=reach.value))
            self._entries.extend(ended(use.notification, use.permit_id, reach, actor=use.actor, at=at))
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Settle for ever; cancel it after `finish`."""
        try:
            while True:
                if not self._ready:
                    await self._woken()
                new, self._ended = self._ended, []
                await self._record()
                self._ready.extend(new)
                await self._settle()
                if not (self._ended or self._ready or self._entries):
                    self._idle.set()
        finally:
            if self._recording is not None:
                self._recording.cancel()
                await asyncio.gather(self._recording, return_exceptions=True)

    async def finish(self, timeout_s: float) -> bool:
        """Wait until everything is settled and recorded; False when that takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        return self._idle.is_set()

    async def _woken(self) -> None:
        """Something ended or was recorded, or it is time to try again to record."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORD_RETRY_S if self._entries else None):
                await self._wake.wait()
        self._wake.clear()

    async def _record(self) -> None:
        """One try, waited for RECORD_S_MAX; none while an earlier one hangs in its commit, which nothing may end."""
        if not self._entries or (self._recording is not None and not self._recording.done()):
            return
        self._recording = asyncio.create_task(self._write(len(self._entries)))
        await asyncio.wait({self._recording}, timeout=RECORD_S_MAX)
        if self._recording.done():
            self._recording.result()  # what is no failure of the database ends the process

    async def _write(self, count: int) -> None:
        """The ids stay the same, so an uncertain commit repeated adds nothing that audit would count twice."""
        try:
            async with asyncio.timeout(RECORD_S_MAX), self._database.write() as session:
                await append(session, self._entries[:count])
        except FAILURES as error:
            _log.warning("disclosures_not_recorded_yet", count=count, exc_info=error)
        else:
            del self._entries[:count]
            self._bell.ring()
            self._wake.set()

    async def _settle(self) -> None:
        """One call, for as many as consent accepted lately; those that it does not accept go behind the others."""
        batch = list(islice(self._ready, self._batch_max))
        if not batch:
            return
        try:
            await self._fence.settle(batch)
        except ConsentUnavailableError:
            self._ready.rotate(-len(batch))
            self._batch_max = max(1, len(batch) // SHRINK)
            _log.warning("settle_delayed", permits=len(batch), retry_ms=int(self._pause_s * 1000))
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 2, RETRY_S_MAX)
        else:
            for _ in batch:
                self._ready.popleft()
            self._batch_max = min(BATCH_MAX, self._batch_max + self._batch_max // GROW + 1)
            self._pause_s = RETRY_S_MIN
