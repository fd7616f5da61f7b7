"""Writes down which requests nobody has answered in time (R9). Whoever reads one reads the clock anyway (P6)."""

import asyncio
from typing import NoReturn

from libs.common.database import Bell, Database, clock
from libs.common.log import get_logger
from services.consent import handlers_request_turns, store_requests
from services.consent.receipts import Signer
from services.consent.settings import Settings

_log = get_logger()


async def keep_lapsing(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    while True:
        try:
            if await sweep(database, settings, signer):
                bell.ring()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next round tries again
            _log.warning("request_sweep_failed", error=type(error).__name__)
        await asyncio.sleep(settings.expiry_sweep_seconds)


async def sweep(database: Database, settings: Settings, signer: Signer) -> int:
    """One round; how many lapsed. One transaction each: a citizen's scopes are locked for one change only."""
    async with database.read() as session:
        due = await store_requests.due(session, await clock(session), settings.expiry_batch)
    lapsed = 0
    for borger_id, request_id in due:
        async with database.write() as session:
            lapsed += await handlers_request_turns.lapse(session, signer, borger_id, request_id)
    return lapsed
