"""`samtykkebro supervise SERVICE ROLE`: one role under a supervisor of its own, as PID 1 of a container.

Rules:
- The role gets this process's environment with each database password read from its file, and without what the command
  reads for itself, such as the supervisor's credentials. What it writes goes where we write.
- A role that discloses is started only when consent has registered it; its slot lies in the state folder, which must
  outlive the container on a local file system, and be no other container's.
- `migrate` and `generation` hold nothing and end by themselves: they take our place.
- For a death over a restart of the machine to be proved, the machine's own /etc/machine-id must be mounted.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Final, NoReturn

from libs.cli.installation.people import SUPERVISOR
from libs.cli.installation.profiles import ROLES, SERVICES, process_name, slot_name
from libs.cli.installation.secrets import with_passwords
from libs.cli.processes.children import Program, python
from libs.cli.processes.state import state_dir
from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.supervisor import Supervisor
from libs.common.http.client import ClientCredentials, ServiceClient
from libs.common.observing import log
from libs.common.running.settings import declared

ONE_SHOT: Final = ("migrate", "generation")
KNOWN: Final = {(service, role) for service in SERVICES for role in (*ROLES["distributed"][service], "all", *ONE_SHOT)}

_TIMEOUT_S = 2.0
_CHECK_S = 1.0
_OWN = "SAMTYKKEBRO_SUPERVISOR_"


class UnsetError(Exception):
    """A variable that the supervisor needs is not set; the text names it."""


def become(service: str, role: str) -> NoReturn:
    """Replaces this process by the role, for what needs no supervisor."""
    command = python(f"services.{service}", role)
    os.execve(sys.executable, command, _environment(os.environ))  # noqa: S606  (our own module; there is no shell)


async def supervise(service: str, role: str) -> None:
    """Keeps the role running until SIGTERM or SIGINT, then stops it in good order.

    Raises UnsetError, ValueError (a password file without its URL), OSError.
    """
    log.configure("supervisor", role, instance=process_name(service, role))
    stop = asyncio.Event()
    for number in (SIGTERM, SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    program = _program(service, role, os.environ)
    async with (
        _calls(os.environ, discloses=program.slot is not None) as calls,
        Supervisor(calls, state_dir() / "slots", log=log.get_logger()) as supervisor,
    ):
        supervisor.keep([program])
        while not stop.is_set():
            supervisor.check()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await stop.wait()


def _program(service: str, role: str, environment: Mapping[str, str]) -> Program:
    slot = slot_name(service, role, supervisor=environment.get(f"{_OWN}ID", SUPERVISOR))
    name = process_name(service, role)
    return Program(name, python(f"services.{service}", role), _environment(environment), slot=slot)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    told = with_passwords(environment)
    return {name: value for name, value in told.items() if name not in declared("cli")}


@asynccontextmanager
async def _calls(environment: Mapping[str, str], *, discloses: bool) -> AsyncIterator[HolderCalls | None]:
    """The supervisor's calls to consent; None for a role that holds no permits and so needs none."""
    if not discloses:
        yield None
        return
    credentials = ClientCredentials(
        _needed(environment, "SAMTYKKEBRO_ISSUER_URL"),
        environment.get(f"{_OWN}ID", SUPERVISOR),
        _secret(environment),
        audience="consent",
    )
    url = _needed(environment, "SAMTYKKEBRO_CONSENT_URL")
    async with ServiceClient(url, credentials=credentials, timeout_s=_TIMEOUT_S) as client:
        yield HolderCalls(client)


def _secret(environment: Mapping[str, str]) -> str:
    return Path(_needed(environment, f"{_OWN}SECRET_FILE")).read_text(encoding="utf-8").strip()


def _needed(environment: Mapping[str, str], variable: str) -> str:
    if not environment.get(variable):
        raise UnsetError(f"{variable} is not set")
    return environment[variable]
