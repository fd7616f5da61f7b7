"""Tells the audit service of look-ups that found nothing and were repeated: one entry for each window of a minute."""

import asyncio
from datetime import timedelta
from typing import NoReturn

from libs.common.database.database import Bell, Database
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import ENTRIES_COALESCED, SWEEPS_FAILED
from libs.common.outbox.outbox import append
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from services.advis.inbox import readings_store
from services.advis.model import audit as model_audit

WINDOW = timedelta(minutes=1)
ROUND_S = 10.0
BATCH = 500  # windows in one transaction
FAILURES_MAX = 6  # rounds, then it is an alarm

_log = get_logger()


async def keep_telling(database: Database, bell: Bell) -> NoReturn:
    """For ever, every ROUND_S; survives a database that is away."""
    failures = 0
    while True:
        try:
            await tell_ended(database, WINDOW)
            bell.ring()
            failures = 0
        except Exception:  # noqa: BLE001 - whatever it was, the rows stay and the next round tries again
            failures += 1
            SWEEPS_FAILED.labels("readings").inc()
            _log.warning("readings_not_told", exc_info=True)
            if failures >= FAILURES_MAX:
                raise_alarm_later(AlarmCode.SWEEP_FAILING, about="readings")
        await asyncio.sleep(ROUND_S)


async def tell_ended(database: Database, window: timedelta) -> None:
    """Tell of every window that has ended, a batch at a time."""
    ended = BATCH
    while ended == BATCH:
        async with database.write() as session:
            ended, repeated = await readings_store.take_ended(session, window, BATCH)
            await append(
                session,
                [
                    model_audit.repeated(
                        one.read, one.actor, count=one.count, first_at=one.first_at, last_at=one.last_at
                    )
                    for one in repeated
                ],
            )
        ENTRIES_COALESCED.inc(sum(one.count - 1 for one in repeated))
