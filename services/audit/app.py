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
from libs.common.service.app import create_app
from libs.common.service.composition import DOOR, Loops, Parts, loops_of
from libs.common.wire.messages import AUDIT_ENTRIES
from services.audit.checkpoints.key import LogKey
from services.audit.checkpoints.signer import Signer
from services.audit.completeness.worker import GapWatch
from services.audit.keys.keyring import Keyring
from services.audit.keys.vault import Vault
from services.audit.log.consumer import GROUP, EntryHandler
from services.audit.log.maker import LeafMaker
from services.audit.reading import api as reading_api
from services.audit.reading.search import PRODUCER
from services.audit.retention import RETENTION
from services.audit.settings import Settings
from services.audit.tree import store as tree_store
from services.audit.verification import api as verification_api

ROUTERS = (verification_api.router, reading_api.router, alarms_api.router)

# Only consent says who a citizen is here: another issuer's subject is no `borger_id`.
_STAFF = frozenset(
    {"caseworker", "bridge_builder", "leader", "dpo", "administrator", "source_system", "recipient_system",
     "advis", "supervisor", "operator", "auditor"}
)  # fmt: skip


def parts_of(settings: Settings) -> Parts[Settings]:
    """The shared parts; nothing is connected yet."""
    return Parts.of(PRODUCER, settings)


def roles(parts: Parts[Settings], wanted: str) -> Mapping[str, process.Role]:
    """The loops to run for `wanted`: one of ROLES, or `all` of them. Raises KeyError for another.

    Raises OSError, KeyError, ValueError or SealError at once where a loop would be without its keys.
    """
    chosen = ROLES if wanted == "all" else {wanted: ROLES[wanted]}
    if "consumer" in chosen:
        entry_handler(parts)
    if "worker" in chosen:
        signer(parts)
    return loops_of(parts, chosen, parts, OBSERVED)


def create(parts: Parts[Settings]) -> FastAPI:
    """The HTTP door. Raises OSError, KeyError, ValueError or CursorKeysError without whole keys."""
    settings = parts.settings
    lifespan = parts.lifespan(
        TokenVerifier(issuers(settings), settings.audience),
        CursorKeys.load(settings.secrets_dir),
        keyring=Keyring(Vault.load(settings.secrets_dir)),
        refused=reading_api.record_refusal,
    )
    return create_app(
        limits=settings,
        title="Samtykkebro audit",
        service=parts.service,
        lifespan=lifespan,
        routers=ROUTERS,
        checks={"database": partial(_database_answers, parts.database)},
        components=parts.components,
    )


def entry_handler(parts: Parts[Settings]) -> EntryHandler:
    """What the consumer hands records to."""
    keyring = Keyring(Vault.load(parts.settings.secrets_dir))
    return EntryHandler(parts.database, _maker(parts.settings), keyring, parts.parking)


def signer(parts: Parts[Settings]) -> Signer:
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


async def _database_answers(database: Database) -> None:
    async with database.read() as session:
        await tree_store.load_size(session)


def _maker(settings: Settings) -> LeafMaker:
    return LeafMaker(settings.log_origin, settings.tenant)


async def _serve(parts: Parts[Settings]) -> None:
    await process.serve(create(parts), parts.settings)


async def _consume(parts: Parts[Settings]) -> None:
    await parts.consume(GROUP, [AUDIT_ENTRIES], entry_handler(parts))


async def _sign(parts: Parts[Settings]) -> None:
    await signer(parts).run()


async def _watch(parts: Parts[Settings]) -> None:
    settings = parts.settings
    watch = GapWatch(parts.database, _maker(settings), grace_s=settings.gap_grace_s, poll_s=settings.gap_poll_s)
    await watch.run()


async def _purge(parts: Parts[Settings]) -> None:
    await keep_purging(parts.database, RETENTION, parts.settings)


OBSERVED: dict[str, Observer] = {"storage": observe_storage}
ROLES: Loops[Parts[Settings]] = {
    DOOR: {DOOR: _serve},
    "consumer": {"consumer": _consume},
    "relay": {"relay": Parts.relay, "bus_retention": Parts.purge_bus},
    "worker": {"signer": _sign, "gap_watch": _watch, "retention": _purge},
}
