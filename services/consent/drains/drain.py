"""Drain: wait until nothing older than a withdrawal is in flight, and only then say so (`docs/fence.md`).

1. No transaction and no connection is held between two looks: a withdrawal that waits costs nobody anything.
2. A permit older than its lease and a margin does not end by that. Its holder is ordered fenced, and we go on looking.
3. That it is drained is written down, in a commit, before anybody is told: a commit proves that this database is still
   the primary.
4. Whoever looks, a request, its repetition, the status page or the worker, does the same and may do it at once.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from libs.common.database.database import Database, clock
from libs.common.observing.log import get_logger
from libs.common.outbox.outbox import append
from libs.common.running.sweep import Sweep, keep_sweeping
from services.consent.decision.epochs import next_pause_ms, overdue_holders
from services.consent.drains import store as drains_store
from services.consent.drains.audit import of_drain
from services.consent.drains.store import Withdrawal
from services.consent.fence import audit as fence_audit
from services.consent.fence import holders_store, permits_store
from services.consent.settings import Settings

FENCE_REASON = "withdrawal_waits"
SWEEP_PAGE = 100  # withdrawals read at a time by the worker
SWEEP_EVERY_MS = 100  # by whom nobody waits for; a citizen's own answer looks more often

_log = get_logger()


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """How patiently a drain looks. All in milliseconds; `margin_ms` is what a lease may be late by."""

    margin_ms: int
    wait_ms: int
    poll_ms_min: int
    poll_ms_max: int


def limits_of(settings: Settings) -> DrainLimits:
    """The limits as they are set."""
    return DrainLimits(
        margin_ms=settings.fence_margin_ms,
        wait_ms=settings.drain_wait_ms,
        poll_ms_min=settings.drain_poll_ms_min,
        poll_ms_max=settings.drain_poll_ms_max,
    )


async def look(database: Database, withdrawal: Withdrawal, limits: DrainLimits) -> bool:
    """One look: whether it is drained now. Writes down that it is, or orders late holders fenced."""
    if withdrawal.drained_at is not None:
        return True
    async with database.read() as session:
        now, waiting = await permits_store.read_waiting(session, withdrawal.withdrawal_id)
    if not waiting:
        await _write_drained(database, withdrawal)
        return True
    late = overdue_holders(waiting, now=now, margin_ms=limits.margin_ms)
    if late:
        await _order_fenced(database, late)
    return False


async def drain(database: Database, withdrawal: Withdrawal, limits: DrainLimits) -> bool:
    """Look until it is drained or `wait_ms` have passed; False then, and somebody else goes on looking."""
    deadline = time.monotonic() + limits.wait_ms / 1000
    pause_ms = 0
    while not await look(database, withdrawal, limits):
        pause_ms = next_pause_ms(pause_ms, shortest_ms=limits.poll_ms_min, longest_ms=limits.poll_ms_max)
        if time.monotonic() + pause_ms / 1000 >= deadline:
            return False
        await asyncio.sleep(pause_ms / 1000)
    return True


async def keep_draining(database: Database, limits: DrainLimits) -> None:
    """The worker's part, for ever: drains what nobody waits for any more. Survives a database that is away."""
    failed: Sweep[UUID] = Sweep("drain", rest_s=0)
    await keep_sweeping("drain", SWEEP_EVERY_MS / 1000, lambda: sweep(database, limits, failed))


async def sweep(database: Database, limits: DrainLimits, failed: Sweep[UUID] | None = None) -> None:
    """Look once at every withdrawal not drained: one that waits for long, or fails, keeps none behind it waiting."""
    failed = failed or Sweep("drain", rest_s=0)
    last: Withdrawal | None = None
    while True:
        async with database.read() as session:
            draining = await drains_store.read_draining(session, last, limit=SWEEP_PAGE)
        await failed.each(draining, lambda one: look(database, one, limits), key=lambda one: one.withdrawal_id)
        if len(draining) < SWEEP_PAGE:
            return
        last = draining[-1]


async def _write_drained(database: Database, withdrawal: Withdrawal) -> None:
    async with database.write() as session:
        drained_at = await drains_store.mark_drained(session, withdrawal.withdrawal_id)
        if drained_at is not None:
            await append(session, [of_drain(withdrawal, drained_at)])


async def _order_fenced(database: Database, holder_ids: Collection[UUID]) -> None:
    async with database.write() as session:
        ordered = await holders_store.order_fence(session, holder_ids, reason=FENCE_REASON)
        now = await clock(session)
        entries = [
            fence_audit.of_holder(
                "fence_ordered", holder_id, now, slot=slot, actor="consent", actor_role="service", reason=FENCE_REASON
            )
            for holder_id, slot in ordered
        ]
        await append(session, entries)
