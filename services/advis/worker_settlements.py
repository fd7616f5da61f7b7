"""Settling permits: collected while the previous call is under way, sent in batches, repeated until accepted.

A withdrawal's answer waits for this, so nothing is held back to make a batch larger. The audit entry is written before
the permit ends, so that audit finds the outcome of every permit that did not die with its holder; but a database that
is away delays only the entry. No outcome is dropped: with WAITING_MAX of them waiting no new permit is taken. What is
still here when the process dies is settled by its confirmed death (fence.md §2).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs.common.database import FAILURES, Bell, Database
from libs.common.log import get_logger
from libs.common.outbox import Message, append
from libs.common.permits import BATCH_MAX, SettleItem
from services.advis.domain.delivery import Reach
from services.advis.domain.notification import Notification
from services.advis.entries import Actor, ended
from services.advis.fence import ConsentUnavailableError, Fence

RETRY_S_MIN = 0.05
RETRY_S_MAX = 2.0
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
        self._items: deque[SettleItem] = deque()
        self._entries: list[Message] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_full(self) -> bool:
        """Whether so much waits to be settled or recorded that nothing more may be disclosed; what waits is kept."""
        return max(len(self._items), len(self._entries)) >= WAITING_MAX

    def add(self, uses: Sequence[Use], reach: Reach) -> None:
        """Say that these permits were used (or not). Returns at once."""
        if not uses:
            return
        at = datetime.now(UTC)
        for use in uses:
            self._items.append(SettleItem(permit_id=use.permit_id, outcome=reach.value))
            self._entries.extend(ended(use.notification, use.permit_id, reach, actor=use.actor, at=at))
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Settle for ever; cancel it after `finish`."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), RECORD_RETRY_S if self._entries else None)
            self._wake.clear()
            ready = len(self._items)  # what ends while these are written down waits for its own turn
            await self._record()
            while ready:
                batch = [self._items.popleft() for _ in range(min(BATCH_MAX, ready))]
                ready -= len(batch)
                await self._settle(batch)
            if not (self._items or self._entries):
                self._idle.set()

    async def finish(self, timeout_s: float) -> bool:
        """Wait until everything is settled and recorded; False when that takes too long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        return self._idle.is_set()

    async def _record(self) -> None:
        """One try; the ids stay the same, so an uncertain commit repeated adds nothing that audit would count twice."""
        entries, self._entries = self._entries, []
        if not entries:
            return
        try:
            async with asyncio.timeout(RECORD_S_MAX), self._database.write() as session:
                await append(session, entries)
        except FAILURES as error:
            self._entries = entries + self._entries
            _log.warning("disclosures_not_recorded_yet", count=len(entries), exc_info=error)
        else:
            self._bell.ring()

    async def _settle(self, batch: list[SettleItem]) -> None:
        pause_s = RETRY_S_MIN
        while True:
            try:
                return await self._fence.settle(batch)
            except ConsentUnavailableError:
                _log.warning("settle_delayed", permits=len(batch), retry_ms=int(pause_s * 1000))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_S_MAX)
