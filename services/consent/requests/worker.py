"""Writes down which requests nobody has answered in time (R9). Whoever reads one reads the clock anyway (P6)."""

from typing import NoReturn
from uuid import UUID

from libs.common.database.database import Bell, Database, clock
from libs.common.running import sweep as running_sweep
from libs.common.running.sweep import Sweep
from services.consent.http.signing import Signer
from services.consent.requests import store as requests_store
from services.consent.requests import turns
from services.consent.settings import Settings


async def keep_lapsing(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    failed: Sweep[UUID] = Sweep("requests")

    async def round_of() -> None:
        if await sweep(database, settings, signer, failed):
            bell.ring()

    await running_sweep.keep_sweeping("requests", settings.expiry_sweep_seconds, round_of)


async def sweep(database: Database, settings: Settings, signer: Signer, failed: Sweep[UUID] | None = None) -> int:
    """One round; how many lapsed. One transaction each: a citizen's scopes are locked for one change only."""
    failed = failed or Sweep("requests")
    async with database.read() as session:
        now = await clock(session)
        due = await requests_store.due(session, now, settings.expiry_batch, resting=failed.resting())
    lapsed = 0

    async def lapse(item: tuple[UUID, UUID]) -> None:
        nonlocal lapsed
        async with database.write() as session:
            lapsed += await turns.lapse(session, signer, *item)

    await failed.each(due, lapse, key=lambda item: item[1])
    return lapsed
