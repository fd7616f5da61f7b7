"""Composition root: what one process opens, in which roles, and in which order it lets go.

Stopping: the roles stop first (the server answers what it is answering), then the last permits are settled, then the
connections close. What is not settled in time is settled by the supervisor's confirmation that we are dead.
"""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from fastapi import FastAPI

from libs.common.http.auth import TokenVerifier, TrustedIssuer
from libs.common.http.client import ClientCredentials, ServiceClient
from libs.common.http.cursors import CursorKeys
from libs.common.running.health import Conditions
from libs.common.running.operations import observe_storage
from libs.common.running.process import Role, serve
from libs.common.running.retention import keep_purging
from libs.common.service import alarms_api
from libs.common.service.app import create_app
from libs.common.service.composition import DOOR, Loops, Parts, loops_of
from libs.common.wire.messages import CONSENT_EVENTS
from libs.common.wire.sources import case_topics, load_sources
from services.advis.arrivals.consent_consumer import GROUP_CONSENT_EVENTS, ConsentEvents
from services.advis.arrivals.consumer import GROUP_CASE_EVENTS, CaseEvents
from services.advis.consent.client import Fence
from services.advis.disclosure.permits import Permits
from services.advis.disclosure.settlements import Settlements
from services.advis.disclosure.transport import DisclosureProtocol
from services.advis.doorbells.sender import Sender
from services.advis.doorbells.webhook import key_of
from services.advis.doorbells.worker import Doorbells
from services.advis.inbox import api as inbox_api
from services.advis.inbox.refused_requests import record_refusal
from services.advis.inbox.worker import keep_telling
from services.advis.ingestion import api as ingestion_api
from services.advis.ingestion import fates_api
from services.advis.model.audit import PRODUCER
from services.advis.reference.reference import ReferenceDataError, load
from services.advis.reference.sources import Sources, asking, asking_parked
from services.advis.resources import Resources
from services.advis.retention import RETENTION
from services.advis.settings import Settings

ROUTERS = (ingestion_api.router, fates_api.router, inbox_api.router, alarms_api.router)
DISCLOSING = frozenset({"api", "worker"})


class SettingMissingError(Exception):
    """A role cannot run without this setting."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the roles of one process share."""

    parts: Parts[Settings]
    resources: Resources
    fence: Fence
    settlements: Settlements


def create(
    resources: Resources, verifier: TokenVerifier, cursors: CursorKeys, conditions: Conditions | None = None
) -> FastAPI:
    """The HTTP application. It must be served with `DisclosureProtocol`, or it discloses nothing."""
    held = resources.settings, resources.database, resources.bell
    parts = Parts(PRODUCER, *held, conditions or Conditions())
    return create_app(
        limits=parts.settings,
        title="Samtykkebro advis",
        service=parts.service,
        lifespan=parts.lifespan(verifier, cursors, resources=resources, refused=record_refusal),
        routers=ROUTERS,
        checks={"database": parts.answers},
        components=parts.components,
    )


async def run(settings: Settings, roles: Iterable[str]) -> None:
    """Run these of ROLES together until cancelled or until a door fails. See `require`."""
    chosen = {role: ROLES[role] for role in roles}
    async with AsyncExitStack() as opened:
        means = await _open(settings, opened)
        _require_keys(means, chosen)
        settling = asyncio.get_running_loop().create_task(means.settlements.run())
        try:
            async with asyncio.TaskGroup() as group:
                for run in loops_of(means.parts, chosen, means, {"storage": observe_storage}).values():
                    group.create_task(_awaited(run))
                group.create_task(_unless_ended(settling))
        finally:
            await means.settlements.finish(settings.settle_at_stop_ms / 1000)
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)


async def _awaited(run: Role) -> None:
    await run()


async def _unless_ended(settling: asyncio.Task[None]) -> None:
    """A process that can no longer settle must not go on disclosing: its failure ends the group."""
    await asyncio.shield(settling)


def require(settings: Settings, roles: Iterable[str]) -> None:
    """Raises SettingMissingError where these roles cannot run."""
    if DISCLOSING & set(roles) and (settings.holder_id is None or settings.holder_token is None):
        raise SettingMissingError("SAMTYKKEBRO_HOLDER_ID and SAMTYKKEBRO_HOLDER_TOKEN: given by the supervisor")
    if settings.client_secret_file is None:
        raise SettingMissingError("SAMTYKKEBRO_CLIENT_SECRET_FILE")


def _require_keys(means: Means, roles: Iterable[str]) -> None:
    """Raises SealError or ReferenceDataError where a loop would be without its keys."""
    if "consumer" in roles:
        _ = means.parts.parking
    if "worker" in roles:
        _doorbells(means)


async def _open(settings: Settings, opened: AsyncExitStack) -> Means:
    parts = Parts.of(PRODUCER, settings)
    opened.push_async_callback(parts.close)
    fence, sources = _fence(settings, opened)
    settlements = Settlements(fence, parts.database, parts.bell)
    tls_only = settings.profile == "production"
    reference = load(settings.reference_dir, settings.endpoints_file, tls_only=tls_only)
    resources = Resources(settings, parts.database, parts.bell, reference, Permits(fence, settlements), sources)
    return Means(parts, resources, fence, settlements)


def _fence(settings: Settings, opened: AsyncExitStack) -> tuple[Fence, Sources]:
    secret_file = settings.client_secret_file
    assert secret_file is not None
    credentials = ClientCredentials(
        issuer_url=settings.issuer_url,
        client_id=settings.client_id,
        client_secret=secret_file.read_text(encoding="utf-8").strip(),
        audience="consent",
    )
    timeout_s = settings.consent_timeout_ms / 1000
    service = ServiceClient(settings.consent_url, credentials=credentials, timeout_s=timeout_s)
    opened.push_async_callback(service.close)
    holder = None
    if settings.holder_token is not None:
        holder = ServiceClient(settings.consent_url, bearer=settings.holder_token, timeout_s=timeout_s)
        opened.push_async_callback(holder.close)
    return Fence(holder, service, lease_ms=settings.lease_ms), Sources(asking(service), asking_parked(service))


async def _serve(means: Means) -> None:
    settings = means.parts.settings
    cursors = CursorKeys.load(settings.secrets_dir)
    verifier = TokenVerifier([TrustedIssuer(settings.issuer_url)], settings.audience)
    app = create(means.resources, verifier, cursors, means.parts.conditions)
    await serve(app, settings, http_protocol=DisclosureProtocol)


async def _hear_cases(means: Means) -> None:
    resources, settings = means.resources, means.parts.settings
    keys, until = CursorKeys.load(settings.secrets_dir), settings.former_case_events_until
    handler = CaseEvents(means.fence, resources.reference, resources.sources, keys=keys, former_until=until)
    topics = case_topics(load_sources(settings.reference_dir))
    await means.parts.consume(GROUP_CASE_EVENTS, topics, handler, horizon=settings.replay_horizon)


async def _hear_consents(means: Means) -> None:
    """A change of consent only makes us ask again, however old it is: there is no horizon."""
    handler = ConsentEvents(means.parts.database, means.resources.permits)
    await means.parts.consume(GROUP_CONSENT_EVENTS, [CONSENT_EVENTS], handler)


async def _relay(means: Means) -> None:
    await means.parts.relay()


async def _purge_bus(means: Means) -> None:
    await means.parts.purge_bus()


async def _ring(means: Means) -> None:
    await _doorbells(means).run()


async def _purge(means: Means) -> None:
    await keep_purging(means.parts.database, RETENTION, means.parts.settings)


async def _tell(means: Means) -> None:
    await keep_telling(means.parts.database, means.parts.bell)


def _doorbells(means: Means) -> Doorbells:
    """Raises ReferenceDataError without the secret of an endpoint."""
    resources, settings = means.resources, means.parts.settings
    keys = {unit: _key(settings, one.secret_file) for unit, one in resources.reference.endpoints.items()}
    shared = (resources.database, resources.bell, resources.permits)
    return Doorbells(settings, *shared, Sender(keys), resources.reference)


def _key(settings: Settings, secret_file: str) -> bytes:
    path = settings.secrets_dir / secret_file
    try:
        return key_of(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise ReferenceDataError(f"{secret_file}: no webhook secret") from error


ROLES: Loops[Means] = {
    DOOR: {DOOR: _serve},
    "consumer": {"case_events": _hear_cases, "consent_events": _hear_consents},
    "relay": {"relay": _relay, "bus_retention": _purge_bus},
    "worker": {"doorbells": _ring, "retention": _purge, "readings": _tell},
}
