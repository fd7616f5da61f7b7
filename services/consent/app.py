"""Composition root: settings become a database, keys, doors and loops, one function per role.

Start order: keys are read at once (a process without its keys must not look well), the database is reached lazily.
Stop order: the door first, then the loops, then the database.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI

from libs.common import api_alarms, process
from libs.common.api_alarms import AlarmDesk
from libs.common.auth import TokenVerifier, TrustedIssuer
from libs.common.bus import opened
from libs.common.consumer import Consumer
from libs.common.cursors import CursorKeys
from libs.common.database import Bell, Database
from libs.common.health import Conditions, kept_running
from libs.common.operations import Observer, observe_storage, operate, outbox_observer
from libs.common.parking import Parking
from libs.common.relay import Relay
from libs.common.retention import keep_bus_purged, keep_purging
from libs.common.seal import Keys
from libs.common.settings import pool_of
from libs.common.sources import case_topics, load_sources
from libs.common.web import create_app
from services.consent import (
    api_access,
    api_access_search,
    api_answers,
    api_attested,
    api_authorities,
    api_catalogue,
    api_catalogue_admin,
    api_citizens,
    api_consents,
    api_emergencies,
    api_export,
    api_fence,
    api_notices,
    api_other_bases,
    api_overview,
    api_receipts,
    api_refusals,
    api_representatives,
    api_requests,
    api_restrictions,
    api_withdrawals,
    drain,
    store_catalogue,
    worker_expiry,
    worker_life,
    worker_requests,
)
from services.consent.api_refused import record_refusal
from services.consent.consumer import GROUP, LifecycleHandler
from services.consent.cpr_vault import Vault
from services.consent.pdf import Renderer
from services.consent.receipts import Signer
from services.consent.records import PRODUCER
from services.consent.settings import Settings
from services.consent.tables_retention import RETENTION
from services.consent.worker_watch import observe_fence

VERSION = "1.0.0"
DOOR = "api"  # its failure ends the process; a loop begins anew
ROUTERS = (
    api_catalogue.router,
    api_catalogue_admin.router,
    api_citizens.router,
    api_citizens.citizen_router,
    api_consents.router,
    api_withdrawals.router,
    api_refusals.router,
    api_restrictions.router,
    api_other_bases.router,
    api_other_bases.citizen_router,
    api_emergencies.router,
    api_requests.router,
    api_answers.router,
    api_fence.router,
    api_overview.router,
    api_export.router,
    api_receipts.router,
    api_notices.router,
    api_authorities.router,
    api_representatives.router,
    api_attested.router,
    api_notices.citizen_router,
    api_access.router,
    api_access_search.router,
    api_alarms.router,
)


class CatalogueMissingError(Exception):
    """No reference data has been loaded: `migrate` has not run. Every decision would be no."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the roles of one process share."""

    settings: Settings
    database: Database
    bell: Bell
    conditions: Conditions

    async def close(self) -> None:
        """Close what the roles share, after the last of them."""
        await self.bell.close()
        await self.database.close()


def parts_of(settings: Settings) -> Parts:
    """The shared parts; nothing is connected yet."""
    name = settings.instance or "consent"
    database = Database(settings.database_url, application_name=name, **pool_of(settings))
    return Parts(settings, database, Bell(database), Conditions())


def signer_of(parts: Parts) -> Signer:
    """What signs receipts: the door, the consumer and the worker each issue some. Raises ReceiptKeysError."""
    return Signer.from_file(parts.settings.secrets_dir / "receipt-keys.json", parts.settings.issuer)


def parking_of(parts: Parts) -> Parking:
    """Where records go that cannot be handled. Raises SealError without the operator's keys."""
    return Parking(Keys.read(parts.settings.parking_keys), PRODUCER)


def create(parts: Parts) -> FastAPI:
    """The HTTP door. Raises VaultError, ReceiptKeysError or CursorKeysError without whole keys."""
    return create_app(
        limits=parts.settings,
        title="Samtykkebro consent",
        version=VERSION,
        service="consent",
        lifespan=opening(parts),
        routers=ROUTERS,
        checks={"catalogue": partial(_catalogue_is_loaded, parts.database)},
        components={"loops": parts.conditions.component},
    )


def roles(parts: Parts, wanted: str) -> dict[str, Callable[[], Awaitable[None]]]:
    """The loops to run for `wanted`: one of ROLES, or `all` of them. Raises KeyError for another.

    Raises ReceiptKeysError or SealError at once where a loop would be without its keys.
    """
    names = ROLES if wanted == "all" else {wanted: ROLES[wanted]}
    if {"consumer", "worker"} & set(names):
        signer_of(parts)
    if "consumer" in names:
        parking_of(parts)
    loops = {loop: _kept(loop, partial(run, parts), parts) for name in names for loop, run in ROLES[name].items()}
    observers: dict[str, Observer] = {}
    if "relay" in names:
        observers["outbox"] = outbox_observer(parts.settings)
    if "worker" in names:
        observers |= OBSERVED
    beside = partial(
        operate,
        parts.database,
        parts.settings,
        service="consent",
        observers=observers,
        components={"loops": parts.conditions.component},
    )
    return {**loops, "operations": _kept("operations", beside, parts)}


def _kept(loop: str, run: process.Role, parts: Parts) -> process.Role:
    return run if loop == DOOR else partial(kept_running, loop, run, parts.conditions)


def opening(parts: Parts) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What the door is opened with, and closed. Raises the keys' own errors without whole keys."""
    vault = Vault.from_file(parts.settings.secrets_dir / "cpr-keys.json")
    signer = signer_of(parts)
    cursors = CursorKeys.load(parts.settings.secrets_dir)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = parts.settings
        verifier = TokenVerifier([TrustedIssuer(settings.issuer_url)], settings.audience)
        app.state.settings, app.state.database, app.state.bell = settings, parts.database, parts.bell
        app.state.alarm_desk = AlarmDesk(parts.database, parts.bell, PRODUCER)
        app.state.verifier, app.state.vault, app.state.signer = verifier, vault, signer
        app.state.renderer, app.state.cursors = Renderer(), cursors
        app.state.refused = record_refusal
        yield
        await verifier.close()

    return lifespan


async def _catalogue_is_loaded(database: Database) -> None:
    async with database.read() as session:
        if (await store_catalogue.current(session)).revision == store_catalogue.EMPTY.revision:
            raise CatalogueMissingError


async def _serve(parts: Parts) -> None:
    await process.serve(create(parts), parts.settings)


async def _consume(parts: Parts) -> None:
    settings = parts.settings
    handler = LifecycleHandler(signer_of(parts), former_until=settings.former_case_events_until)
    topics = case_topics(load_sources(settings.reference_dir))
    async with opened(parts.settings.bus_url, client_id="consent-consumer") as bus:
        consumer = Consumer(
            bus,
            parts.database,
            GROUP,
            topics,
            handler=handler,
            parking=parking_of(parts),
            bell=parts.bell,
            horizon=parts.settings.replay_horizon,
            conditions=parts.conditions,
        )
        await consumer.run()


async def _relay(parts: Parts) -> None:
    async with opened(parts.settings.bus_url, client_id="consent-relay") as bus:
        await Relay(parts.database, bus, producer=PRODUCER, bell=parts.bell).run()


async def _drain(parts: Parts) -> None:
    await drain.keep_draining(parts.database, drain.limits_of(parts.settings))


async def _purge(parts: Parts) -> None:
    await keep_purging(parts.database, RETENTION, parts.settings)


async def _sweep(parts: Parts) -> None:
    await worker_expiry.keep_sweeping(parts.database, parts.bell, parts.settings, signer_of(parts))


async def _live(parts: Parts) -> None:
    await worker_life.keep_sweeping(parts.database, parts.bell, parts.settings, signer_of(parts))


async def _lapse(parts: Parts) -> None:
    await worker_requests.keep_lapsing(parts.database, parts.bell, parts.settings, signer_of(parts))


async def _purge_bus(parts: Parts) -> None:
    await keep_bus_purged(parts.settings)


Run = Callable[[Parts], Awaitable[None]]
OBSERVED: dict[str, Observer] = {"storage": observe_storage, "fence": observe_fence}
ROLES: dict[str, dict[str, Run]] = {
    DOOR: {DOOR: _serve},
    "consumer": {"consumer": _consume},
    "relay": {"relay": _relay, "bus_retention": _purge_bus},
    "worker": {"drain": _drain, "expiry": _sweep, "life": _live, "retention": _purge, "requests": _lapse},
}
