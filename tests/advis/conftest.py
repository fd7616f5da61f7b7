"""Advis with a real database, the reference data that is shipped, and a consent service that does as it is told."""

import logging
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from libs.common.database.database import Bell, Database
from libs.common.http.client import ServiceClient
from libs.common.observing import log
from services.advis.consent.client import Fence
from services.advis.disclosure.permits import Permits
from services.advis.disclosure.settlements import Settlements
from services.advis.reference.reference import Reference, load
from services.advis.resources import Resources
from services.advis.settings import Settings
from tests.advis.world.examples import REFERENCE_DIR, Intake, sources
from tests.advis.world.serving import Advis, serving
from tests.fakes import HOLDER_TOKEN, SERVICE_TOKEN, FakeConsent
from tests.servers import TestDatabase
from tests.unlimited import QUOTAS


@pytest.fixture(scope="session")
def reference() -> Reference:
    return load(REFERENCE_DIR)


@pytest.fixture
async def database(advis_database: TestDatabase) -> AsyncIterator[Database]:
    database = Database(advis_database.url, application_name="test", pool_size=8)
    yield database
    await database.close()


@pytest.fixture
async def consent() -> AsyncIterator[FakeConsent]:
    async with FakeConsent().serving() as fake:
        yield fake


@pytest.fixture
async def fence(consent: FakeConsent) -> AsyncIterator[Fence]:
    async with (
        ServiceClient(consent.url, bearer=HOLDER_TOKEN, timeout_s=2) as holder,
        ServiceClient(consent.url, bearer=SERVICE_TOKEN, timeout_s=2) as service,
    ):
        yield Fence(holder, service, lease_ms=5_000)


@pytest.fixture
async def bell() -> AsyncIterator[Bell]:
    bell = Bell()
    yield bell
    await bell.close()


@pytest.fixture
async def settlements(fence: Fence, database: Database, bell: Bell) -> Settlements:
    return Settlements(fence, database, bell)


@pytest.fixture
def permits(fence: Fence, settlements: Settlements) -> Permits:
    return Permits(fence, settlements)


@pytest.fixture
def settings(advis_database: TestDatabase, consent: FakeConsent) -> Settings:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    return Settings(
        profile="development",
        **QUOTAS,
        port=port,
        database_url=advis_database.url,
        bus_url="postgresql+asyncpg://nobody@nowhere/bus",
        issuer_url="http://issuer.test",
        consent_url=consent.url,
        reference_dir=REFERENCE_DIR,
    )


@pytest.fixture
def resources(settings: Settings, database: Database, bell: Bell, reference: Reference, permits: Permits) -> Resources:
    return Resources(settings, database, bell, reference, permits, sources())


@pytest.fixture
def logging_as_shipped() -> Iterator[None]:
    """The process's logs as in production, for this test only."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log.configure("advis", "test", "DEBUG")
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def advis(logging_as_shipped: None, resources: Resources, settlements: Settlements) -> AsyncIterator[Advis]:
    """The HTTP service on a real port, as production serves it."""
    async with serving(resources, settlements) as running:
        yield running


@pytest.fixture
def intake(fence: Fence, reference: Reference, database: Database, consent: FakeConsent) -> Intake:
    """Case events taken in as the consumer does, without a bus."""
    return Intake(fence, reference, database, consent)
