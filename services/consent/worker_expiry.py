"""Writes down what the clock has already decided, and tells about it (R9). Nothing depends on it being in time (P6)."""

from datetime import timedelta
from typing import NoReturn
from uuid import UUID

from libs.common import sweep as sweeps
from libs.common.database import Bell, Database, clock
from libs.common.sweep import Sweep
from services.consent import handlers_expiry, store_catalogue, store_endings
from services.consent.domain.consent import Consent
from services.consent.domain.ending import as_of, cutoffs
from services.consent.receipts import Signer
from services.consent.settings import Settings


async def keep_sweeping(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    failed: Sweep[UUID] = Sweep("expiry")

    async def round_of() -> None:
        await sweep(database, settings, signer, failed)
        bell.ring()

    await sweeps.keep_sweeping("expiry", settings.expiry_sweep_seconds, round_of)


async def sweep(database: Database, settings: Settings, signer: Signer, failed: Sweep[UUID] | None = None) -> int:
    """One round; how many expired. One transaction each: a citizen's scope is locked for one change only."""
    failed = failed or Sweep("expiry")
    async with database.read() as session:
        now = await clock(session)
        catalogue = await store_catalogue.current(session)
        policy = catalogue.policy(now)
        soon = now + timedelta(days=0 if policy is None else policy.expiry_notice_days)
        some = store_endings.Some(settings.expiry_batch, failed.resting())
        expired = await store_endings.due(session, now, [*cutoffs(catalogue, now)], some)
        ending = await store_endings.ending(session, soon, [*cutoffs(catalogue, soon)], some)

    async def expire(consent: Consent) -> None:
        async with database.write() as session:
            await handlers_expiry.expire_consent(session, signer, consent)

    async def announce(consent: Consent) -> None:
        async with database.write() as session:
            await handlers_expiry.announce_expiry(session, consent)

    # What has ended already is too late for a notice: the next round writes its end down.
    told = [consent for consent in ending if as_of(consent, catalogue, now).ends_at > now]
    done = await failed.each(expired, expire, key=_id)
    await failed.each(told, announce, key=_id)
    return done


def _id(consent: Consent) -> UUID:
    return consent.consent_id
