"""Composition root: settings become a database, keys, doors and loops, one function per role.

Start order: the database is reached lazily, keys are read at once (a process without its keys must not look well).
Stop order: doors first, then loops, then the database.
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
from libs.common.messages import AUDIT_ENTRIES
from libs.common.operations import Observer, observe_storage, operate, outbox_observer
from libs.common.parking import Parking
from libs.common.relay import Relay
from libs.common.retention import keep_bus_purged, keep_purging
from libs.common.seal import Keys
from libs.common.settings import pool_of
from libs.common.web import create_app
from services.audit import api_entries, api_log, store_tree
from services.audit.consumer import GROUP, EntryHandler
from services.audit.handlers_search import PRODUCER
from services.audit.keyring import Keyring
from services.audit.leaves import LeafMaker
from services.audit.log_key import LogKey
from services.audit.settings import Settings
from services.audit.signer import Signer
from services.audit.tables_retention import RETENTION
from services.audit.vault import Vault
from services.audit.worker import GapWatch

VERSION = "0.1.0"
DOOR = "api"  # its failure ends the process; a loop begins anew
ROUTERS = (api_log.router, api_entries.router, api_alarms.router)

# Only consent says who a citizen is here: another issuer's subject is no `borger_id`.
_STAFF = frozenset(
    {"caseworker", "bridge_builder", "leader", "dpo", "administrator", "source_system", "recipient_system",
     "advis", "supervisor", "operator", "auditor"}
)  # fmt: skip


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
    name = settings.instance or "audit"
    database = Database(settings.database_url, application_name=name, **pool_of(settings))
    return Parts(settings, database, Bell(database), Conditions())


def roles(parts: Parts, wanted: str) -> dict[str, Callable[[], Awaitable[None]]]:
    """The loops to run for `wanted`: one of ROLES, or `all` of them. Raises KeyError for another.

    Raises OSError, KeyError, ValueError or SealError at once where a loop would be without its keys.
    """
    names = ROLES if wanted == "all" else {wanted: ROLES[wanted]}
    if "consumer" in names:
        entry_handler(parts)
    if "worker" in names:
        signer(parts)
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
        service="audit",
        observers=observers,
        components={"loops": parts.conditions.component},
    )
    return {**loops, "operations": _kept("operations", beside, parts)}


def _kept(loop: str, run: process.Role, parts: Parts) -> process.Role:
    return run if loop == DOOR else partial(kept_running, loop, run, parts.conditions)


def create(parts: Parts) -> FastAPI:
    """The HTTP door. Raises OSError, KeyError, ValueError or CursorKeysError without whole keys."""
    return create_app(
        limits=parts.settings,
        title="Samtykkebro audit",
        version=VERSION,
        service="audit",
        lifespan=_lifespan(parts, Keyring(Vault.load(parts.settings.secrets_dir))),
        routers=ROUTERS,
        checks={"database": partial(_database_answers, parts.database)},
        components={"loops": parts.conditions.component},
    )


def entry_handler(parts: Parts) -> EntryHandler:
    """What the consumer hands records to."""
    keyring = Keyring(Vault.load(parts.settings.secrets_dir))
    return EntryHandler(parts.database, _maker(parts.settings), keyring, parking(parts))


def parking(parts: Parts) -> Parking:
    """Where records go that cannot become entries. Raises SealError without the operator's keys."""
    return Parking(Keys.read(parts.settings.parking_keys), PRODUCER)


def signer(parts: Parts) -> Signer:
    """Who signs. Raises ValueError when the key is another log's."""
    settings = parts.settings
    key = LogKey.load(settings.secrets_dir)
    if key.name != settings.log_origin:
        raise ValueError("log-key.json is the key of another log than SAMTYKKEBRO_LOG_ORIGIN names")
    return Signer(
        parts.database,
        key,
        every_s=settings.checkpoint_every_s,
        idle_s=settings.checkpoint_idle_s,
        memory=settings.checkpoint_file,
    )


def issuers(settings: Settings) -> list[TrustedIssuer]:
    """Whose tokens count: the provider's for staff and clients, consent's for citizens. Neither for the other's."""
    keys = settings.consent_url.rstrip("/") + "/.well-known/jwks.json"
    return [
        TrustedIssuer(settings.issuer_url, roles=_STAFF),
        TrustedIssuer(settings.consent_url, keys, frozenset({"citizen"})),
    ]


def _lifespan(parts: Parts, keyring: Keyring) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    cursors = CursorKeys.load(parts.settings.secrets_dir)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        verifier = TokenVerifier(issuers(parts.settings), parts.settings.audience)
        app.state.verifier, app.state.keyring = verifier, keyring
        app.state.cursors, app.state.refused = cursors, api_entries.record_refusal
        app.state.database, app.state.bell = parts.database, parts.bell
        app.state.alarm_desk = AlarmDesk(parts.database, parts.bell, PRODUCER)
        yield
        await verifier.close()

    return lifespan


async def _database_answers(database: Database) -> None:
    async with database.read() as session:
        await store_tree.load_size(session)


def _maker(settings: Settings) -> LeafMaker:
    return LeafMaker(settings.log_origin, settings.tenant)


async def _serve(parts: Parts) -> None:
    await process.serve(create(parts), parts.settings)


async def _consume(parts: Parts) -> None:
    handler = entry_handler(parts)
    async with opened(parts.settings.bus_url, client_id="audit-consumer") as bus:
        consumer = Consumer(
            bus,
            parts.database,
            GROUP,
            [AUDIT_ENTRIES],
            handler=handler,
            parking=parking(parts),
            bell=parts.bell,
            conditions=parts.conditions,
        )
        await consumer.run()


async def _relay(parts: Parts) -> None:
    async with opened(parts.settings.bus_url, client_id="audit-relay") as bus:
        await Relay(parts.database, bus, producer=PRODUCER, bell=parts.bell).run()


async def _sign(parts: Parts) -> None:
    await signer(parts).run()


async def _watch(parts: Parts) -> None:
    settings = parts.settings
    watch = GapWatch(parts.database, _maker(settings), grace_s=settings.gap_grace_s, poll_s=settings.gap_poll_s)
    await watch.run()


async def _purge(parts: Parts) -> None:
    await keep_purging(parts.database, RETENTION, parts.settings)


async def _purge_bus(parts: Parts) -> None:
    await keep_bus_purged(parts.settings)


Run = Callable[[Parts], Awaitable[None]]
OBSERVED: dict[str, Observer] = {"storage": observe_storage}
ROLES: dict[str, dict[str, Run]] = {
    DOOR: {DOOR: _serve},
    "consumer": {"consumer": _consume},
    "relay": {"relay": _relay, "bus_retention": _purge_bus},
    "worker": {"signer": _sign, "gap_watch": _watch, "retention": _purge},
}
