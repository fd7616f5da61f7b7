"""A service's database without a service: the shared tables alone, with the grants a runtime role gets."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from libs.common.bus.port import Bus, Topic
from libs.common.consuming.inbox import INBOX_GRANTS, inbox_tables
from libs.common.database.database import Database
from libs.common.outbox.outbox import OUTBOX_GRANTS, outbox_tables
from libs.common.running import alarms
from libs.common.running.alarms import ALARM_GRANTS, alarm_tables
from libs.common.wire.messages import AUDIT_ENTRIES, CONSENT_EVENTS
from tests.servers import Postgres, TestDatabase, aside


@pytest.fixture(scope="session")
def plain_template(postgres: Postgres) -> Iterator[str]:
    postgres.role("plain_owner")
    postgres.role("plain")
    name = postgres.create("plain_owner")
    aside(_create_tables(postgres.url("plain_owner", name)))
    grants = [
        f"GRANT {rights} ON {table} TO plain" for table, rights in (OUTBOX_GRANTS | INBOX_GRANTS | ALARM_GRANTS).items()
    ]
    extra = ["CREATE TABLE effect (id text PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"]
    postgres.execute(*grants, *extra, "GRANT ALL ON effect TO plain", database=name)
    yield name
    postgres.drop(name)


async def _create_tables(owner_url: str) -> None:
    metadata = MetaData()
    outbox_tables(metadata)
    inbox_tables(metadata)
    alarm_tables(metadata)
    engine = create_async_engine(owner_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


@pytest.fixture
def plain_database(postgres: Postgres, plain_template: str) -> Iterator[TestDatabase]:
    with postgres.database("plain", owner="plain_owner", template=plain_template) as database:
        yield database


@pytest.fixture
async def database(plain_database: TestDatabase) -> AsyncIterator[Database]:
    """The shared tables, and a table `effect(id)` for whatever a test's handler does."""
    database = Database(plain_database.url, application_name="test", pool_size=8)
    yield database
    await database.close()


@pytest.fixture
async def topics(embedded_bus: Bus) -> Bus:
    await embedded_bus.ensure_topics([Topic(CONSENT_EVENTS, 3), Topic(AUDIT_ENTRIES, 4)])
    return embedded_bus


@pytest.fixture(autouse=True)
def _nothing_waits(monkeypatch: pytest.MonkeyPatch):
    """What other tests of this process left for a database that is gone."""
    monkeypatch.setattr(alarms, "_PENDING", alarms._Pending())
