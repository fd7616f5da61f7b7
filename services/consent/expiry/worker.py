"""Writes down what the clock has already decided, and tells about it (R9). Nothing depends on it being in time (P6)."""

from datetime import timedelta
from typing import NoReturn
from uuid import UUID

from libs.common.database.database import Bell, Database, clock
from libs.common.running import sweep as running_sweep
from libs.common.running.sweep import Sweep
from services.consent.catalogue import store as catalogue_store
from services.consent.consents.consent import Consent
from services.consent.consents.ending import as_of, cutoffs
from services.consent.expiry import commands as expiry_commands
from services.consent.expiry import store as expiry_store
from services.consent.http.signing import Signer
from services.consent.settings import Settings


async def keep_sweeping(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    failed: Sweep[UUID] = Sweep("expiry")

    async def round_of() -> None:
        await sweep(database, settings, signer, failed)
        bell.ring()

    await running_sweep.keep_sweeping("expiry", settings.expiry_sweep_seconds, round_of)


async def sweep(database: Database, settings: Settings, signer: Signer, failed: Sweep[UUID] | None = None) -> int:
    """One round; how many expired. One transaction each: a citizen's scope is locked for one change only."""
    failed = failed or Sweep("expiry")
    async with database.read() as session:
        now = await clock(session)
        catalogue = await catalogue_store.current(session)
        policy = catalogue.policy(now)
        soon = now + timedelta(days=0 if policy is None else policy.expiry_notice_days)
        some = expiry_store.Some(settings.expiry_batch, failed.resting())
        expired = await expiry_store.due(session, now, [*cutoffs(catalogue, now)], some)
        ending = await expiry_store.ending(session, soon, [*cutoffs(catalogue, soon)], some)

    async def expire(consent: Consent) -> None:
        async with database.write() as session:
            await expiry_commands.expire_consent(session, signer, consent)

    async def announce(consent: Consent) -> None:
        async with database.write() as session:
            await expiry_commands.announce_expiry(session, consent)

    # What has ended already is too late for a notice: the next round writes its end down.
    told = [consent for consent in ending if as_of(consent, catalogue, now).ends_at > now]
    done = await failed.each(expired, expire, key=_id)
    await failed.each(told, announce, key=_id)
    return done


def _id(consent: Consent) -> UUID:
    return consent.consent_id
