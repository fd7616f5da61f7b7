"""The real servers that tests run against: PostgreSQL always, Kafka where it can be had.

`DATABASE_URL` names an own PostgreSQL by its administrator's address, `KAFKA_BOOTSTRAP_SERVERS` an own Kafka; without
them both are started here, from wheels, and die with the test run. PostgreSQL keeps nothing that must survive the
run, so it does not wait for the disk.
"""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from libs.cli.bus.kafka import KafkaServer
from libs.cli.installation.postgres import PostgresServer
from libs.cli.processes.local_parts import LocalPartError
from tests.tree import ROOT

PASSWORD = "only-for-tests"
MIGRATION_DEADLINE_S = 60
TEMPLATES = "TEST_DATABASE_TEMPLATES"  # `service=database` with spaces between: made before, on the DATABASE_URL server
_HASTY = {
    "authentication_timeout": "10s",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "200",
}


@dataclass(frozen=True)
class TestDatabase:
    """One test's own database. `url` is the runtime role's, `owner_url` the migrations'."""

    __test__ = False

    name: str
    url: str
    owner_url: str


class Postgres:
    """A server, by its administrator's SQLAlchemy address. `given`: templates that somebody else made and drops."""

    def __init__(self, admin_url: str, given: Mapping[str, str] | None = None) -> None:
        self.admin_url = admin_url
        self._templates: dict[str, str] = {}
        self._given = dict(given or {})

    def url(self, role: str, database: str) -> str:
        url = make_url(self.admin_url).set(username=role, password=PASSWORD, database=database)
        return url.render_as_string(hide_password=False)

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run `statements` as the administrator, one transaction each."""
        url = make_url(self.admin_url).set(drivername="postgresql")
        dsn = (url.set(database=database) if database else url).render_as_string(hide_password=False)

        async def run() -> None:
            session = await asyncpg.connect(dsn)
            try:
                for statement in statements:
                    await session.execute(statement)
            finally:
                await session.close()

        aside(run())

    def role(self, name: str) -> None:
        self.execute(
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}';"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )

    def create(self, owner: str, *, template: str = "template1") -> str:
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def database(self, role: str, *, owner: str, template: str = "template1") -> Iterator[TestDatabase]:
        name = self.create(owner, template=template)
        yield TestDatabase(name, self.url(role, name), self.url(owner, name))
        self.drop(name)

    def template(self, service: str) -> str:
        """The migrated template database of `service`, made on first use by the service's own `migrate` role."""
        if service in self._given:
            return self._given[service]
        if service not in self._templates:
            owner = f"{service}_owner"
            self.role(owner)
            self.role(service)
            name = self.create(owner)
            migrate(service, self.url(owner, name))
            self._templates[service] = name
        return self._templates[service]

    def drop_templates(self) -> None:
        for name in self._templates.values():
            self.drop(name)


def migrate(service: str, owner_url: str) -> None:
    """Run `python -m services.<service> migrate`; its last words are the failure."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SAMTYKKEBRO_")},
        "SAMTYKKEBRO_PROFILE": "development",
        "SAMTYKKEBRO_MIGRATION_DATABASE_URL": owner_url,
    }
    command = [sys.executable, "-m", f"services.{service}", "migrate"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=MIGRATION_DEADLINE_S, check=False
    )
    if done.returncode:
        pytest.fail(f"migrating {service} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}", pytrace=False)


def alembic(service: str, owner_url: str, *words: str) -> str:
    """Run Alembic for `service` as an operator would, on the database of `owner_url`; what it said."""
    command = [sys.executable, "-m", "alembic", "-c", f"services/{service}/alembic.ini", *words]
    environment = {**os.environ, "SAMTYKKEBRO_MIGRATION_DATABASE_URL": owner_url}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=MIGRATION_DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def postgres(directory: Path) -> Iterator[Postgres]:
    """The server named by DATABASE_URL, else an embedded one in `directory`."""
    if url := os.environ.get("DATABASE_URL"):
        given = dict(pair.split("=") for pair in os.environ.get(TEMPLATES, "").split())
        admin_url = make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
        server = Postgres(admin_url, given)
        yield server
        server.drop_templates()
        return
    with PostgresServer.start(directory, settings=_HASTY) as embedded:
        yield Postgres(embedded.admin_url)


@contextmanager
def kafka(directory: Path) -> Iterator[str]:
    """Bootstrap servers of the Kafka named by KAFKA_BOOTSTRAP_SERVERS, else of one in `directory`; else a skip."""
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield servers
        return
    server = own_kafka(directory)
    yield server.bootstrap_servers
    server.stop()


def own_kafka(directory: Path, admin_password: str | None = None) -> KafkaServer:
    """A broker that the test may kill, with rights where there is an administrator.

    Skips where none can be had; REQUIRE_KAFKA=1 makes that a failure.
    """
    try:
        return KafkaServer.start(directory, admin_password)
    except (LocalPartError, OSError) as error:
        reason = f"NO KAFKA, so nothing about it was tested: {type(error).__name__}: {error}"
        if os.environ.get("REQUIRE_KAFKA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def aside(work: Coroutine[Any, Any, Any]) -> Any:
    """Run `work` on a loop of its own in a thread, whatever loop the test has."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
