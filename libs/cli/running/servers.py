"""The servers that an installation stands on: yours where the environment names them, else our own on this machine.

Rules:
- `SAMTYKKEBRO_ADMIN_DATABASE_URL` names a PostgreSQL in which roles and databases may be made, `SAMTYKKEBRO_BUS_URL`
  a bus, by its owner's address where it knows users. Both count in the distributed profile only: the embedded one is
  complete in its folder.
- Our own stop last, the bus before the database.
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from libs.cli.bus.kafka import ADMIN, KafkaServer, as_principal
from libs.cli.bus.topics import declared_grants, ensure_topics
from libs.cli.installation.databases import DatabaseUrls, bus_urls, ensure_databases
from libs.cli.installation.postgres import PostgresServer
from libs.cli.installation.profiles import Profile
from libs.cli.installation.secrets import Secrets
from libs.cli.running.progress import Progress
from libs.cli.supervising.server_keeper import LocalServer

ADMIN_DATABASE_URL = "SAMTYKKEBRO_ADMIN_DATABASE_URL"
BUS_URL = "SAMTYKKEBRO_BUS_URL"


@dataclass(frozen=True, slots=True)
class Servers:
    """How to reach them. `bus_url` is the bus's owner's address, `bus_urls` each process's own, by its name.

    `own` are the servers of ours, to be kept running.
    `own_database`: the databases lie in the state folder and nowhere else.
    """

    databases: Mapping[str, DatabaseUrls] = field(repr=False)
    bus_url: str = field(repr=False)
    bus_urls: Mapping[str, str] = field(repr=False)
    own: tuple[LocalServer, ...]

    @property
    def own_database(self) -> bool:
        """Whether PostgreSQL is one of ours."""
        return any(isinstance(server, PostgresServer) for server in self.own)


async def start_servers(
    stack: ExitStack, profile: Profile, *, state_dir: Path, secrets: Secrets, progress: Progress
) -> Servers:
    """Starts what is ours on `stack`, and makes databases, roles and topics. Call it from the main thread.

    Raises LocalPartError, SQLAlchemy's DBAPIError, BusUnavailableError.
    """
    own: list[LocalServer] = []
    with progress.step("PostgreSQL"):
        named = start_database(stack, profile, state_dir=state_dir, own=own)
        databases = await ensure_databases(named, secrets)
    if profile == "embedded":
        bus_url = databases["bus"].owner
        await ensure_topics(bus_url)
        return Servers(databases, bus_url, bus_urls(named, secrets), tuple(own))
    with progress.step("Kafka"):
        bus_url = os.environ.get(BUS_URL, "")
        if not bus_url:
            kafka = stack.enter_context(KafkaServer.start(state_dir / "kafka", secrets.bus(ADMIN)))
            own.append(kafka)
            bus_url = kafka.admin_url
        urls = await _principals(bus_url, secrets)
    return Servers(databases, bus_url, urls, tuple(own))


def start_database(stack: ExitStack, profile: Profile, *, state_dir: Path, own: list[LocalServer]) -> str:
    """The administrator's URL of PostgreSQL: yours, or of our own, which is started on `stack` and added to `own`.

    Call it from the main thread. Raises LocalPartError.
    """
    named = os.environ.get(ADMIN_DATABASE_URL, "") if profile == "distributed" else ""
    if named:
        return named
    postgres = stack.enter_context(PostgresServer.start(state_dir / "postgres"))
    own.append(postgres)
    return postgres.admin_url


async def _principals(bus_url: str, secrets: Secrets) -> dict[str, str]:
    """Makes topics, principals and rights; returns each principal's address. A bus without users has no principals."""
    if urlsplit(bus_url).username is None:
        await ensure_topics(bus_url)
        return {}
    passwords = {grant.principal: secrets.bus(grant.principal) for grant in declared_grants(embedded=False)}
    await ensure_topics(bus_url, passwords=passwords)
    return {name: as_principal(bus_url, name, password) for name, password in passwords.items()}
