"""Composition root: settings become a database, keys, doors and loops, one function per role."""

from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI

from libs.common.database.database import Database
from libs.common.http.auth import TokenVerifier, TrustedIssuer
from libs.common.http.cursors import CursorKeys
from libs.common.running import process
from libs.common.running.operations import Observer, observe_storage
from libs.common.running.retention import keep_purging
from libs.common.service import alarms_api
from libs.common.service.app import Lifespan, create_app
from libs.common.service.composition import DOOR, Loops, Parts, loops_of
from libs.common.wire.sources import case_topics, load_sources
from services.consent.access import api as access_api
from services.consent.access import search_api
from services.consent.attestations import api as attestations_api
from services.consent.catalogue import api as catalogue_api
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue_administration import api as catalogue_administration_api
from services.consent.citizens import api as citizens_api
from services.consent.citizens.vault import Vault
from services.consent.drains import drain
from services.consent.drains.watch import observe_fence
from services.consent.employees.refused_requests import record_refusal
from services.consent.expiry import worker as expiry_worker
from services.consent.export import api as export_api
from services.consent.fence import api as fence_api
from services.consent.grants import api as grants_api
from services.consent.http.audit import PRODUCER
from services.consent.http.pdf import Renderer
from services.consent.http.signing import Signer
from services.consent.legal_bases import api as legal_bases_api
from services.consent.legal_bases import emergencies_api
from services.consent.lifecycle import worker as lifecycle_worker
from services.consent.lifecycle.consumer import GROUP, LifecycleHandler
from services.consent.notices import api as notices_api
from services.consent.overview import api as overview_api
from services.consent.receipts import api as receipts_api
from services.consent.refusals import api as refusals_api
from services.consent.representation import api as representation_api
from services.consent.representation import citizen_api
from services.consent.requests import answers_api
from services.consent.requests import api as requests_api
from services.consent.requests import worker as requests_worker
from services.consent.restrictions import api as restrictions_api
from services.consent.retention import RETENTION
from services.consent.settings import Settings
from services.consent.uses import api as uses_api
from services.consent.withdrawals import api as withdrawals_api

ROUTERS = (
    catalogue_api.router,
    catalogue_administration_api.router,
    citizens_api.router,
    uses_api.router,
    grants_api.router,
    withdrawals_api.router,
    refusals_api.router,
    restrictions_api.router,
    legal_bases_api.router,
    legal_bases_api.citizen_router,
    emergencies_api.router,
    requests_api.router,
    answers_api.router,
    fence_api.router,
    overview_api.router,
    export_api.router,
    receipts_api.router,
    receipts_api.keys_router,
    notices_api.router,
    representation_api.router,
    citizen_api.router,
    attestations_api.router,
    notices_api.citizen_router,
    access_api.router,
    search_api.router,
    alarms_api.router,
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
        if (await catalogue_store.current(session)).revision == catalogue_store.EMPTY.revision:
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
    await expiry_worker.keep_sweeping(parts.database, parts.bell, parts.settings, signer_of(parts))


async def _live(parts: Parts[Settings]) -> None:
    await lifecycle_worker.keep_sweeping(parts.database, parts.bell, parts.settings, signer_of(parts))


async def _lapse(parts: Parts[Settings]) -> None:
    await requests_worker.keep_lapsing(parts.database, parts.bell, parts.settings, signer_of(parts))


OBSERVED: dict[str, Observer] = {"storage": observe_storage, "fence": observe_fence}
ROLES: Loops[Parts[Settings]] = {
    DOOR: {DOOR: _serve},
    "consumer": {"consumer": _consume},
    "relay": {"relay": Parts.relay, "bus_retention": Parts.purge_bus},
    "worker": {"drain": _drain, "expiry": _sweep, "life": _live, "retention": _purge, "requests": _lapse},
}
