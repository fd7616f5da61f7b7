"""Composition root: settings become a database, keys, doors and loops, one function per role."""

from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI

from libs.common import api_alarms, process
from libs.common.auth import TokenVerifier, TrustedIssuer
from libs.common.composition import DOOR, Loops, Parts, loops_of
from libs.common.cursors import CursorKeys
from libs.common.database import Database
from libs.common.operations import Observer, observe_storage
from libs.common.retention import keep_purging
from libs.common.sources import case_topics, load_sources
from libs.common.web import Lifespan, create_app
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


def parts_of(settings: Settings) -> Parts[Settings]:
    """The shared parts; nothing is connected yet."""
    return Parts.of(PRODUCER, settings)


def signer_of(parts: Parts[Settings]) -> Signer:
    """What signs receipts: the door, the consumer and the worker each issue some. Raises ReceiptKeysError."""
    return Signer.from_file(parts.settings.secrets_dir / "receipt-keys.json", parts.settings.issuer)


def create(parts: Parts[Settings]) -> FastAPI:
    """The HTTP door. Raises VaultError, ReceiptKeysError or CursorKeysError without whole keys."""
    return create_app(
        limits=parts.settings,
        title="Samtykkebro consent",
        version=VERSION,
        service=parts.service,
        lifespan=opening(parts),
        routers=ROUTERS,
        checks={"catalogue": partial(_catalogue_is_loaded, parts.database)},
        components=parts.components,
    )


def roles(parts: Parts[Settings], wanted: str) -> Mapping[str, process.Role]:
    """The loops to run for `wanted`: one of ROLES, or `all` of them. Raises KeyError for another.

    Raises ReceiptKeysError or SealError at once where a loop would be without its keys.
    """
    chosen = ROLES if wanted == "all" else {wanted: ROLES[wanted]}
    if {"consumer", "worker"} & set(chosen):
        signer_of(parts)
    if "consumer" in chosen:
        _ = parts.parking
    return loops_of(parts, chosen, parts, OBSERVED)


def opening(parts: Parts[Settings]) -> Lifespan:
    """What the door is opened with, and closed. Raises the keys' own errors without whole keys."""
    settings = parts.settings
    return parts.lifespan(
        TokenVerifier([TrustedIssuer(settings.issuer_url)], settings.audience),
        CursorKeys.load(settings.secrets_dir),
        settings=settings,
        vault=Vault.from_file(settings.secrets_dir / "cpr-keys.json"),
        signer=signer_of(parts),
        renderer=Renderer(),
        refused=record_refusal,
    )


async def _catalogue_is_loaded(database: Database) -> None:
    async with database.read() as session:
        if (await store_catalogue.current(session)).revision == store_catalogue.EMPTY.revision:
            raise CatalogueMissingError


async def _serve(parts: Parts[Settings]) -> None:
    await process.serve(create(parts), parts.settings)


async def _consume(parts: Parts[Settings]) -> None:
    settings = parts.settings
    handler = LifecycleHandler(
        signer_of(parts), CursorKeys.load(settings.secrets_dir), former_until=settings.former_case_events_until
    )
    topics = case_topics(load_sources(settings.reference_dir))
    await parts.consume(GROUP, topics, handler, horizon=settings.replay_horizon)


async def _drain(parts: Parts[Settings]) -> None:
    await drain.keep_draining(parts.database, drain.limits_of(parts.settings))


async def _purge(parts: Parts[Settings]) -> None:
    await keep_purging(parts.database, RETENTION, parts.settings)


async def _sweep(parts: Parts[Settings]) -> None:
    await worker_expiry.keep_sweeping(parts.database, parts.bell, parts.settings, signer_of(parts))


async def _live(parts: Parts[Settings]) -> None:
    await worker_life.keep_sweeping(parts.database, parts.bell, parts.settings, signer_of(parts))


async def _lapse(parts: Parts[Settings]) -> None:
    await worker_requests.keep_lapsing(parts.database, parts.bell, parts.settings, signer_of(parts))


OBSERVED: dict[str, Observer] = {"storage": observe_storage, "fence": observe_fence}
ROLES: Loops[Parts[Settings]] = {
    DOOR: {DOOR: _serve},
    "consumer": {"consumer": _consume},
    "relay": {"relay": Parts.relay, "bus_retention": Parts.purge_bus},
    "worker": {"drain": _drain, "expiry": _sweep, "life": _live, "retention": _purge, "requests": _lapse},
}
