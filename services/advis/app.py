"""Composition root: what one process opens, in which roles, and in which order it lets go.

Stopping: the roles stop first (the server answers what it is answering), then the last permits are settled, then the
connections close. What is not settled in time is settled by the supervisor's confirmation that we are dead.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from libs.common import api_alarms
from libs.common.api_alarms import AlarmDesk
from libs.common.auth import TokenVerifier, TrustedIssuer
from libs.common.bus import Bus, connect
from libs.common.client import ClientCredentials, ServiceClient
from libs.common.consumer import Consumer, Handler
from libs.common.cursors import CursorKeys
from libs.common.database import Bell, Database, clock
from libs.common.health import Conditions, kept_running
from libs.common.messages import CONSENT_EVENTS
from libs.common.operations import Observer, observe_storage, operate, outbox_observer
from libs.common.parking import Parking
from libs.common.process import Role, serve
from libs.common.relay import Relay
from libs.common.retention import keep_bus_purged, keep_purging
from libs.common.seal import Keys
from libs.common.settings import pool_of
from libs.common.sources import case_topics, load_sources
from libs.common.web import create_app
from services.advis import api_events, api_fates, api_inbox
from services.advis.consumer import GROUP_CASE_EVENTS, GROUP_CONSENT_EVENTS, CaseEvents, ConsentEvents
from services.advis.domain.webhook import key_of
from services.advis.entries import PRODUCER
from services.advis.fence import Fence
from services.advis.permission import Permits
from services.advis.reference import ReferenceDataError, load
from services.advis.resources import Resources
from services.advis.sender import Sender
from services.advis.settings import Settings
from services.advis.sources import Sources, asking
from services.advis.tables_retention import RETENTION
from services.advis.transport import DisclosureProtocol
from services.advis.worker import Doorbells
from services.advis.worker_readings import keep_telling
from services.advis.worker_settlements import Settlements

VERSION = "1.0.0"
ROUTERS = (api_events.router, api_fates.router, api_inbox.router, api_alarms.router)
ROLES = ("api", "consumer", "relay", "worker")
DOOR = "api"
DISCLOSING = frozenset({"api", "worker"})


class SettingMissingError(Exception):
    """A role cannot run without this setting."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the roles of one process share."""

    resources: Resources
    fence: Fence
    settlements: Settlements
    bus: Bus
    conditions: Conditions


def create(
    resources: Resources, verifier: TokenVerifier, cursors: CursorKeys, conditions: Conditions | None = None
) -> FastAPI:
    """The HTTP application. It must be served with `DisclosureProtocol`, or it discloses nothing."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.verifier = verifier
        app.state.resources = resources
        app.state.alarm_desk = AlarmDesk(resources.database, resources.bell, PRODUCER)
        app.state.cursors = cursors
        yield

    async def database() -> None:
        async with resources.database.read() as session:
            await clock(session)

    return create_app(
        limits=resources.settings,
        title="Samtykkebro advis",
        version=VERSION,
        service="advis",
        lifespan=lifespan,
        routers=ROUTERS,
        checks={"database": database},
        components={"loops": (conditions or Conditions()).component},
    )


async def run(settings: Settings, roles: tuple[str, ...]) -> None:
    """Run these roles together until cancelled or until one fails. See `require`."""
    async with AsyncExitStack() as opened:
        means = await _open(settings, roles, opened)
        settling = asyncio.get_running_loop().create_task(means.settlements.run())
        try:
            async with asyncio.TaskGroup() as group:
                for name, run in _started(means, roles):
                    group.create_task(_run(name, run, means.conditions))
                group.create_task(_unless_ended(settling))
                group.create_task(_operate(means, roles))
        finally:
            await means.settlements.finish(settings.settle_at_stop_ms / 1000)
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)


async def _operate(means: Means, roles: tuple[str, ...]) -> None:
    resources = means.resources
    observers: dict[str, Observer] = {}
    if "relay" in roles:
        observers["outbox"] = outbox_observer(resources.settings)
    if "worker" in roles:
        observers["storage"] = observe_storage
    components = {"loops": means.conditions.component}
    await operate(resources.database, resources.settings, service=PRODUCER, observers=observers, components=components)


async def _run(name: str, run: Role, conditions: Conditions) -> None:
    """A door that fails ends the process; a loop begins anew."""
    await (run() if name == DOOR else kept_running(name, run, conditions))


def _over_bus(means: Means, run: Role) -> Role:
    """`run` on a started bus: without one, this loop waits, and no door with it."""

    async def running() -> None:
        await means.bus.start()
        await run()

    return running


async def _unless_ended(settling: asyncio.Task[None]) -> None:
    """A process that can no longer settle must not go on disclosing: its failure ends the group."""
    await asyncio.shield(settling)


def require(settings: Settings, roles: tuple[str, ...]) -> None:
    """Raises SettingMissingError where these roles cannot run."""
    if DISCLOSING & set(roles) and (settings.holder_id is None or settings.holder_token is None):
        raise SettingMissingError("SAMTYKKEBRO_HOLDER_ID and SAMTYKKEBRO_HOLDER_TOKEN: given by the supervisor")
    if settings.client_secret_file is None:
        raise SettingMissingError("SAMTYKKEBRO_CLIENT_SECRET_FILE")


async def _open(settings: Settings, roles: tuple[str, ...], opened: AsyncExitStack) -> Means:
    name = settings.instance or f"advis-{'-'.join(roles)}"
    database = Database(settings.database_url, application_name=name, **pool_of(settings))
    opened.push_async_callback(database.close)
    bell = Bell(database)
    opened.push_async_callback(bell.close)
    fence, sources = _fence(settings, opened)
    settlements = Settlements(fence, database, bell)
    tls_only = settings.profile == "production"
    reference = load(settings.reference_dir, settings.endpoints_file, tls_only=tls_only)
    bus = connect(settings.bus_url, client_id=name)
    opened.push_async_callback(bus.stop)
    resources = Resources(settings, database, bell, reference, Permits(fence, settlements), sources)
    return Means(resources, fence, settlements, bus, Conditions())


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
    return Fence(holder, service, lease_ms=settings.lease_ms), Sources(asking(service))


def _started(means: Means, roles: tuple[str, ...]) -> list[tuple[str, Role]]:
    made: Mapping[str, Callable[[Means], list[Role]]] = {
        "api": _api,
        "consumer": _consumers,
        "relay": _relay,
        "worker": _workers,
    }
    return [(role, run) for role in roles for run in made[role](means)]


def _api(means: Means) -> list[Role]:
    settings = means.resources.settings
    cursors = CursorKeys.load(settings.secrets_dir)

    async def api() -> None:
        verifier = TokenVerifier([TrustedIssuer(settings.issuer_url)], settings.audience)
        try:
            app = create(means.resources, verifier, cursors, means.conditions)
            await serve(app, settings, http_protocol=DisclosureProtocol)
        finally:
            await verifier.close()

    return [api]


def _consumers(means: Means) -> list[Role]:
    database, settings = means.resources.database, means.resources.settings
    parking = Parking(Keys.read(settings.parking_keys), PRODUCER)
    case = case_topics(load_sources(settings.reference_dir))
    changes = ConsentEvents(database, means.resources.permits)
    hands: tuple[tuple[str, Sequence[str], Handler, timedelta | None], ...] = (
        (GROUP_CASE_EVENTS, case, _case_events(means), settings.replay_horizon),
        # A change of consent only makes us ask again, however old it is.
        (GROUP_CONSENT_EVENTS, [CONSENT_EVENTS], changes, None),
    )
    consumers = [
        Consumer(
            means.bus,
            database,
            group,
            topics,
            handler=handler,
            parking=parking,
            bell=means.resources.bell,
            horizon=horizon,
            conditions=means.conditions,
        )
        for group, topics, handler, horizon in hands
    ]
    return [_over_bus(means, consumer.run) for consumer in consumers]


def _case_events(means: Means) -> CaseEvents:
    resources = means.resources
    until = resources.settings.former_case_events_until
    return CaseEvents(means.fence, resources.reference, resources.sources, former_until=until)


def _relay(means: Means) -> list[Role]:
    async def purging_bus() -> None:
        await keep_bus_purged(means.resources.settings)

    relay = Relay(means.resources.database, means.bus, producer=PRODUCER, bell=means.resources.bell)
    return [_over_bus(means, relay.run), purging_bus]


def _workers(means: Means) -> list[Role]:
    resources = means.resources
    endpoints = resources.reference.endpoints

    async def telling() -> None:
        await keep_telling(resources.database, resources.bell)

    async def purging() -> None:
        await keep_purging(resources.database, RETENTION, resources.settings)

    doorbells = Doorbells(
        resources.settings,
        resources.database,
        resources.bell,
        resources.permits,
        Sender({unit: _key(resources.settings, one.secret_file) for unit, one in endpoints.items()}),
        resources.reference,
    )
    return [doorbells.run, purging, telling]


def _key(settings: Settings, secret_file: str) -> bytes:
    path: Path = settings.secrets_dir / secret_file
    try:
        return key_of(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise ReferenceDataError(f"{secret_file}: no webhook secret") from error
