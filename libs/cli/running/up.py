"""Starts the whole system on this machine and stops it again: `samtykkebro up`, the demo and the journey tests.

Order of starting: folders and secrets; PostgreSQL and the bus; the migrations; the issuer and the services, all at
once, each waiting for what it needs. Order of stopping: what discloses, the other services, the issuer, the bus, the
database. Whatever kills this process kills them all. What ends by itself, a server of ours too, is started again.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import TextIO

import orjson
import structlog
from rich.console import Console
from structlog.typing import FilteringBoundLogger

from libs.cli.bus.kafka import anonymous
from libs.cli.installation import people, secrets
from libs.cli.installation.profiles import (
    Plan,
    Ports,
    Profile,
    SettingNotUsedError,
    migrations,
    operators_settings,
    programs,
)
from libs.cli.processes.local_parts import RunUser
from libs.cli.processes.state import private_dir, write_private
from libs.cli.running.migrate import migrate
from libs.cli.running.progress import Progress
from libs.cli.running.servers import start_servers
from libs.cli.running.system import Credentials, StartError, System
from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.server_keeper import ServerKeeper, keeping
from libs.cli.supervising.supervisor import Supervisor
from libs.common.http.client import ClientCredentials, ServiceClient
from libs.common.observing.log import allow_listed
from libs.common.running.settings import UnknownSettingError

__all__ = ["Ports", "Profile", "StartError", "System", "running_system"]

SUPERVISOR_TIMEOUT_S = 2.0
_DOORS = ("issuer", "consent", "advis", "audit")
_CHECK_S = 0.5


@asynccontextmanager
async def running_system(
    profile: Profile,
    state_dir: Path,
    *,
    ports: Ports | None = None,
    console: Console | None = None,
    endpoints_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[System]:
    """The system, ready, until the block is left. `ports` None: free ones.

    `endpoints_file` is where advis reads webhook endpoints; `environment` is added to every process's own, and what
    our own environment sets of ours goes to the services that know it. `console` shows the progress. Call it from the
    main thread. Raises StartError, LocalPartError.
    """
    progress = Progress(console)
    settings = _operators_settings(profile)
    ports = ports or Ports.free()
    if taken := ports.taken():
        raise StartError(f"another program listens on port {', '.join(map(str, taken))}: stop it, or choose --port")
    state_dir = _folders(state_dir)
    kept = secrets.prepare(state_dir / "secrets")
    async with AsyncExitStack() as stack:
        servers = await start_servers(
            stack.enter_context(ExitStack()), profile, state_dir=state_dir, secrets=kept, progress=progress
        )
        plan = Plan(
            profile,
            ports,
            servers.databases,
            servers.bus_urls,
            anonymous(servers.bus_url),
            secrets=kept,
            issuer_config=state_dir / "issuer.json",
            state_dir=state_dir,
            log_dir=state_dir / "logs",
            endpoints_file=endpoints_file,
            settings=settings,
            more=environment or {},
        )
        numbers = _identities(plan)
        with progress.step("databases' tables"):
            await migrate(migrations(plan), note=state_dir / "migrated.json" if servers.own_database else None)
        log = _log_to(stack.enter_context((plan.log_dir / "supervisor.log").open("a", encoding="utf-8")))
        kept_servers = await stack.enter_async_context(keeping(servers.own, log))
        supervisor = await stack.enter_async_context(_supervising(plan, log))
        system = _system(plan, supervisor, numbers, bus_url=servers.bus_url, servers=kept_servers)
        supervisor.keep(programs(plan))
        await system.ready(on_ready=progress.done)
        yield system


async def keep_up(system: System, console: Console) -> None:
    """Says which process or server ended and was started again; never returns.

    Raises what makes one of them impossible to keep, e.g. LocalPartError.
    """
    told = system.starts()
    while True:
        await asyncio.sleep(_CHECK_S)
        system.check()
        for name, (starts, code) in system.starts().items():
            if starts != told[name][0]:
                console.print(f"[yellow]{time.strftime('%H:%M:%S')} {name} ended with {code} and was started again[/]")
        told = system.starts()


@asynccontextmanager
async def _supervising(plan: Plan, log: FilteringBoundLogger) -> AsyncIterator[Supervisor]:
    credentials = ClientCredentials(
        plan.ports.url("issuer"),
        people.SUPERVISOR,
        plan.secrets.client(people.SUPERVISOR).read_text().strip(),
        audience="consent",
    )
    url = plan.ports.url("consent")
    async with (
        ServiceClient(url, credentials=credentials, timeout_s=SUPERVISOR_TIMEOUT_S) as client,
        Supervisor(HolderCalls(client), plan.state_dir / "slots", log=log) as supervisor,
    ):
        yield supervisor


def _log_to(file: TextIO) -> FilteringBoundLogger:
    """A log of our own, beside whatever logging the process that starts us has set up."""
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        allow_listed,
        structlog.processors.JSONRenderer(),
    ]
    log: FilteringBoundLogger = structlog.wrap_logger(structlog.WriteLogger(file), processors=processors)
    return log


def _operators_settings(profile: Profile) -> Mapping[str, str]:
    try:
        return operators_settings(profile, os.environ)
    except (SettingNotUsedError, UnknownSettingError) as error:
        raise StartError(str(error)) from error


def _folders(state_dir: Path) -> Path:
    state_dir = state_dir.absolute()
    state_dir.mkdir(parents=True, exist_ok=True)
    # As root the database is another user, who must be able to pass through.
    state_dir.chmod(0o711 if RunUser.for_unprivileged().drops else 0o700)
    for name in ("logs", "slots"):
        private_dir(state_dir / name)
    return state_dir


def _identities(plan: Plan) -> Mapping[str, str]:
    """Writes the issuer's configuration; returns the citizens' numbers."""
    numbers = people.numbers(plan.state_dir / "people.json")
    key_file = plan.state_dir / "issuer-key.json"
    config = people.issuer_config(plan.ports.url("issuer"), key_file, numbers, plan.secrets)
    write_private(plan.issuer_config, orjson.dumps(config))
    return numbers


def _system(
    plan: Plan, supervisor: Supervisor, numbers: Mapping[str, str], *, bus_url: str, servers: tuple[ServerKeeper, ...]
) -> System:
    clients = {
        client.client_id: Credentials(client.client_id, plan.secrets.client(client.client_id).read_text().strip())
        for client in people.CLIENTS
    }
    return System(
        plan.profile,
        plan.state_dir,
        {door: plan.ports.url(door) for door in _DOORS},
        plan.databases,
        bus_url=bus_url,
        clients=clients,
        cpr_numbers=numbers,
        supervisor=supervisor,
        servers=servers,
    )
