"""Writes down what the clock has already decided, and tells about it (R9). Nothing depends on it being in time (P6)."""

import asyncio
from datetime import timedelta
from typing import NoReturn

from libs.common.database import Bell, Database, clock
from libs.common.log import get_logger
from services.consent import handlers_expiry, store_catalogue, store_endings
from services.consent.domain.ending import as_of, cutoffs
from services.consent.receipts import Signer
from services.consent.settings import Settings

_log = get_logger()


async def keep_sweeping(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    while True:
        try:
            await sweep(database, settings, signer)
            bell.ring()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next round tries again
            _log.warning("expiry_sweep_failed", error=type(error).__name__)
        await asyncio.sleep(settings.expiry_sweep_seconds)


async def sweep(database: Database, settings: Settings, signer: Signer) -> int:
    """One round; how many expired. One transaction each: a citizen's scope is locked for one change only."""
    async with database.read() as session:
        now = await clock(session)
        catalogue = await store_catalogue.current(session)
        policy = catalogue.policy(now)
        soon = now + timedelta(days=0 if policy is None else policy.expiry_notice_days)
        expired = await store_endings.due(session, now, [*cutoffs(catalogue, now)], settings.expiry_batch)
        ending = await store_endings.ending(session, soon, [*cutoffs(catalogue, soon)], settings.expiry_batch)
    for consent in expired:
        async with database.write() as session:
            await handlers_expiry.expire_consent(session, signer, consent)
    for consent in ending:
        if as_of(consent, catalogue, now).ends_at <= now:
            continue  # too late for a notice: the next round writes its end down
        async with database.write() as session:
            await handlers_expiry.announce_expiry(session, consent)
    return len(expired)
