"""Writes down what the day has already decided: a birthday, a move, a custody change, an authority's last day (R13).

Nothing depends on it being in time (P6). It looks at the days and moments since it last looked; the first time at all
of those within which a consent that is still open can have been given.
"""

import asyncio
from datetime import datetime, timedelta
from typing import NoReturn

from libs.common.database import Bell, Database, clock
from libs.common.log import get_logger
from services.consent import handlers_attestations, handlers_life, store_attestations, store_catalogue, store_life
from services.consent.domain.calendar import born_for, days_between
from services.consent.receipts import Signer
from services.consent.settings import Settings

LOOK_BACK = timedelta(days=400)  # longer than any consent may run
OVERLAP = timedelta(minutes=10)  # what a transaction that began before the last look may have committed since

_log = get_logger()


async def keep_sweeping(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    since: datetime | None = None
    while True:
        try:
            since = await sweep(database, settings, signer, since)
            bell.ring()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next round tries again
            _log.warning("life_sweep_failed", error=type(error).__name__)
        await asyncio.sleep(settings.expiry_sweep_seconds)


async def sweep(database: Database, settings: Settings, signer: Signer, since: datetime | None = None) -> datetime:
    """One round over everything that the clock has changed after `since`; the moment to go on from.

    One transaction a person: their scopes are locked for one change only.
    """
    async with database.read() as session:
        now = await clock(session)
        policy = (await store_catalogue.current(session)).policy(now)
        start = now - LOOK_BACK if since is None else since - OVERLAP
        ages = () if policy is None else (policy.involved_age, policy.own_declaration_age, policy.adult_age)
        born = [day for today in days_between(start, now) for age in ages for day in born_for(today, age)]
        touched = await store_life.touched(session, born, start, now)
        lapsed = await store_attestations.due(session, now, settings.expiry_batch)
    for borger_id in touched:
        async with database.write() as session:
            await handlers_life.reconsider(session, signer, borger_id)
    for attestation in lapsed:
        async with database.write() as session:
            await handlers_attestations.write_lapsed(session, attestation)
    return now
