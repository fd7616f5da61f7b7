"""Writes down which requests nobody has answered in time (R9). Whoever reads one reads the clock anyway (P6)."""

from typing import NoReturn
from uuid import UUID

from libs.common import sweep as sweeps
from libs.common.database import Bell, Database, clock
from libs.common.sweep import Sweep
from services.consent import handlers_request_turns, store_requests
from services.consent.receipts import Signer
from services.consent.settings import Settings


async def keep_lapsing(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    failed: Sweep[UUID] = Sweep("requests")

    async def round_of() -> None:
        if await sweep(database, settings, signer, failed):
            bell.ring()

    await sweeps.keep_sweeping("requests", settings.expiry_sweep_seconds, round_of)


async def sweep(database: Database, settings: Settings, signer: Signer, failed: Sweep[UUID] | None = None) -> int:
    """One round; how many lapsed. One transaction each: a citizen's scopes are locked for one change only."""
    failed = failed or Sweep("requests")
    async with database.read() as session:
        now = await clock(session)
        due = await store_requests.due(session, now, settings.expiry_batch, resting=failed.resting())
    lapsed = 0

    async def lapse(item: tuple[UUID, UUID]) -> None:
        nonlocal lapsed
        async with database.write() as session:
            lapsed += await handlers_request_turns.lapse(session, signer, *item)

    await failed.each(due, lapse, key=lambda item: item[1])
    return lapsed
