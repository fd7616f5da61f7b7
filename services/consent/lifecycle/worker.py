"""Writes down what the day has already decided: a birthday, a move, a custody change, an authority's last day (R13).

Nothing depends on it being in time (P6). It looks at the days and moments since it last looked; the first time at all
of those within which a consent that is still open can have been given.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from libs.common.database.database import Bell, Database, clock
from libs.common.running import sweep as running_sweep
from libs.common.running.sweep import Sweep
from services.consent.attestations import commands as attestations_commands
from services.consent.attestations import store as attestations_store
from services.consent.attestations.attestation import Attestation
from services.consent.catalogue import store as catalogue_store
from services.consent.http.signing import Signer
from services.consent.lifecycle import reconsider as lifecycle_reconsider
from services.consent.lifecycle import store as lifecycle_store
from services.consent.model.calendar import born_for, days_between
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

    await running_sweep.keep_sweeping("life", settings.expiry_sweep_seconds, round_of)


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
        policy = (await catalogue_store.current(session)).policy(now)
        start = now - LOOK_BACK if since is None else since - OVERLAP
        ages = () if policy is None else (policy.involved_age, policy.own_declaration_age, policy.adult_age)
        born = [day for today in days_between(start, now) for age in ages for day in born_for(today, age)]
        touched = await lifecycle_store.touched(session, born, start, now)
        resting = failed.attestations.resting()
        lapsed = await attestations_store.due(session, now, settings.expiry_batch, resting=resting)

    async def reconsider(borger_id: UUID) -> None:
        async with database.write() as session:
            await lifecycle_reconsider.reconsider(session, signer, borger_id)

    async def lapse(attestation: Attestation) -> None:
        async with database.write() as session:
            await attestations_commands.write_lapsed(session, attestation)

    persons = {*touched, *failed.persons.rested()}.difference(failed.persons.resting())
    await failed.persons.each(sorted(persons), reconsider, key=lambda borger_id: borger_id)
    await failed.attestations.each(lapsed, lapse, key=lambda attestation: attestation.attestation_id)
    return now
