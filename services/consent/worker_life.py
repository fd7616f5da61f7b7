"""Writes down what the day has already decided: a birthday, a move, a custody change, an authority's last day (R13).

Nothing depends on it being in time (P6). It looks at the days and moments since it last looked; the first time at all
of those within which a consent that is still open can have been given.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from libs.common import sweep as sweeps
from libs.common.database import Bell, Database, clock
from libs.common.sweep import Sweep
from services.consent import handlers_attestations, handlers_life, store_attestations, store_catalogue, store_life
from services.consent.domain.attestation import Attestation
from services.consent.domain.calendar import born_for, days_between
from services.consent.receipts import Signer
from services.consent.settings import Settings

LOOK_BACK = timedelta(days=400)  # longer than any consent may run
OVERLAP = timedelta(minutes=10)  # what a transaction that began before the last look may have committed since


@dataclass
class Failed:
    """The persons and the attestations that a round could not finish."""

    persons: Sweep[UUID] = field(default_factory=lambda: Sweep("life"))
    attestations: Sweep[UUID] = field(default_factory=lambda: Sweep("attestations"))


async def keep_sweeping(database: Database, bell: Bell, settings: Settings, signer: Signer) -> NoReturn:
    """For ever; survives a database that is away."""
    since: datetime | None = None
    failed = Failed()

    async def round_of() -> None:
        nonlocal since
        since = await sweep(database, settings, signer, since, failed=failed)
        bell.ring()

    await sweeps.keep_sweeping("life", settings.expiry_sweep_seconds, round_of)


async def sweep(
    database: Database,
    settings: Settings,
    signer: Signer,
    since: datetime | None = None,
    *,
    failed: Failed | None = None,
) -> datetime:
    """One round over everything that the clock has changed after `since`; the moment to go on from.

    One transaction a person: their scopes are locked for one change only. Who could not be finished is tried again
    from `failed`, so that the moment goes on for everybody else.
    """
    failed = failed or Failed()
    async with database.read() as session:
        now = await clock(session)
        policy = (await store_catalogue.current(session)).policy(now)
        start = now - LOOK_BACK if since is None else since - OVERLAP
        ages = () if policy is None else (policy.involved_age, policy.own_declaration_age, policy.adult_age)
        born = [day for today in days_between(start, now) for age in ages for day in born_for(today, age)]
        touched = await store_life.touched(session, born, start, now)
        resting = failed.attestations.resting()
        lapsed = await store_attestations.due(session, now, settings.expiry_batch, resting=resting)

    async def reconsider(borger_id: UUID) -> None:
        async with database.write() as session:
            await handlers_life.reconsider(session, signer, borger_id)

    async def lapse(attestation: Attestation) -> None:
        async with database.write() as session:
            await handlers_attestations.write_lapsed(session, attestation)

    persons = {*touched, *failed.persons.rested()}.difference(failed.persons.resting())
    await failed.persons.each(sorted(persons), reconsider, key=lambda borger_id: borger_id)
    await failed.attestations.each(lapsed, lapse, key=lambda attestation: attestation.attestation_id)
    return now
