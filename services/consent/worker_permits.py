"""Forgets ended permits: an id is remembered for as long as a late acquire of it may come. Open ones stay for ever."""

import asyncio
from datetime import timedelta

from libs.common.database import Database
from libs.common.log import get_logger
from services.consent.store_permits import purge

KEPT = timedelta(days=1)  # a call is late by seconds; sessions and requests time out in less than a minute
ROUND_S = 600
BATCH = 5_000  # rows in one transaction

_log = get_logger()


async def keep_forgetting(database: Database) -> None:
    """For ever, every ROUND_S. Survives a database that is away."""
    while True:
        try:
            await forget(database)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next round tries again
            _log.warning("purge_failed", error=type(error).__name__)
        await asyncio.sleep(ROUND_S)


async def forget(database: Database) -> None:
    """Forget all that ended longer ago than KEPT, a batch at a time."""
    while True:
        async with database.write() as session:
            forgotten = await purge(session, older_than=KEPT, limit=BATCH)
        if forgotten < BATCH:
            return
