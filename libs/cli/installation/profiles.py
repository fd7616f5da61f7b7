"""Which processes an installation has, and what each is told: the embedded and the distributed profile as one table.

Rules:
- Embedded: one process a service. Distributed: one process a role (ARCHITECTURE.md). The code that runs is the same.
- A process gets the environment that is written here: its own database role, its own secrets. What the starter's
  environment sets besides goes to the services whose example file declares it; what is decided here cannot be set.
- What discloses is a permit holder and has a slot; it stops first, so that its last permits still find consent.
- The ports are loopback only. Each process has a listener for the operator, and a door where its role has one.
"""

import os
import random
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal, Self

import libs
from libs.cli.installation.databases import DatabaseUrls
from libs.cli.installation.people import SUPERVISOR
from libs.cli.installation.secrets import Secrets
from libs.cli.processes.children import Program, python
from libs.common.running.settings import PREFIX, declared, given, require_known

Profile = Literal["embedded", "distributed"]

HOST: Final = "127.0.0.1"
SERVICES: Final = ("consent", "audit", "advis")
ROOT: Final = Path(libs.__file__).parents[1]
REFERENCE: Final = ROOT / "deploy" / "reference"
ROLES: Final[Mapping[Profile, Mapping[str, tuple[str, ...]]]] = {
    "embedded": dict.fromkeys(SERVICES, ("all",)),
    "distributed": dict.fromkeys(SERVICES, ("api", "consumer", "relay", "worker")),
}
DISCLOSING: Final = {("advis", "all"), ("advis", "api"), ("advis", "worker")}
WITH_A_DOOR: Final = {"all", "api"}
PROCESSES: Final = (
    *SERVICES,
    *(f"{service}-{role}" for service, roles in ROLES["distributed"].items() for role in roles),
)

_FIRST, _THEN, _LAST = 0, 1, 2  # the order of stopping
# Below the range that the kernel draws from for outgoing connections: no client takes the port of a process that is
# being started again.
_FREE_RANGE: Final = range(20_000, 32_000)
_DECIDED: Final = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("PROFILE", "INSTANCE", "HOST", "PORT", "METRICS_HOST", "METRICS_PORT", "DATABASE_URL", "BUS_URL"),
        *("ISSUER_URL", "AUDIENCE", "SECRETS_DIR"),
        *("REFERENCE_DIR", "CLIENT_ID", "CLIENT_SECRET_FILE", "CHECKPOINT_FILE", "PARENT_PID"),
        "PARKING_KEYS_FILE",
        *("HOLDER_ID", "HOLDER_TOKEN", *(f"{service.upper()}_URL" for service in SERVICES)),
    )
)
_OWN: Final = frozenset({f"{PREFIX}STATE_DIR"})
_USED: Final[Mapping[Profile, frozenset[str]]] = {
    "embedded": _OWN,
    "distributed": _OWN | {f"{PREFIX}ADMIN_DATABASE_URL", f"{PREFIX}BUS_URL"},
}
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the four doors are, on loopback."""

    issuer: int = 8100
    consent: int = 8101
    advis: int = 8102
    audit: int = 8103
    operations: int = 8110  # the first of one for each process: /metrics and /health of its own

    @classmethod
    def free(cls) -> Self:
        """Four that nobody listens on now, and a row for the processes' own listeners."""
        found = (port for port in random.sample(_FREE_RANGE, len(_FREE_RANGE)) if is_free(port))
        doors = list(islice(found, 4))
        rows = (port for port in found if all(is_free(one) and one not in doors for one in _row(port)))
        return cls(*(*doors, next(rows)))

    def taken(self) -> tuple[int, ...]:
        """Those that somebody listens on already."""
        return tuple(port for port in (self.issuer, self.consent, self.advis, self.audit) if not is_free(port))

    def of_process(self, name: str) -> int:
        """Where a process answers /metrics and /health. Raises ValueError for an unknown name."""
        return self.operations + PROCESSES.index(name)

    def url(self, door: str) -> str:
        """`http://127.0.0.1:<port>` of one of the four."""
        return f"http://{HOST}:{getattr(self, door)}"


def _row(first: int) -> range:
    return range(first, first + len(PROCESSES))


def is_free(port: int) -> bool:
    """Whether a process could listen on this loopback port now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the table needs to know of one installation.

    `bus_urls` by process, each in its own name; every other process gets `bus_url`, which names nobody.
    `settings` are the variables that the operator set, each for the services that know it. `more` is added to every
    process's environment and wins.
    """

    profile: Profile
    ports: Ports
    databases: Mapping[str, DatabaseUrls] = field(repr=False)
    bus_urls: Mapping[str, str] = field(repr=False)
    bus_url: str = field(repr=False)
    secrets: Secrets
    issuer_config: Path
    state_dir: Path
    log_dir: Path
    endpoints_file: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    more: Mapping[str, str] = field(default_factory=dict)


class SettingNotUsedError(Exception):
    """A variable is set that the command decides itself or does not use; the text names it."""


def operators_settings(profile: Profile, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of ours in `environment` that services read. Raises SettingNotUsedError, UnknownSettingError.

    What only the command itself reads is left out; what it does not read in this profile is refused.
    """
    require_known(environment, declared())
    used = _USED[profile]
    found = {name: environment[name] for name in sorted(given(environment) - used)}
    for name in found:
        if name in _DECIDED or name not in declared("common", *SERVICES):
            raise SettingNotUsedError(f"{name} is set, and `up` in the {profile} profile decides this itself: unset it")
    return found


def programs(plan: Plan) -> tuple[Program, ...]:
    """Every process that is kept running: the development issuer, then the services' roles."""
    roles = ROLES[plan.profile]
    return (_issuer(plan), *(_role(plan, service, role) for service in SERVICES for role in roles[service]))


def migrations(plan: Plan) -> tuple[Program, ...]:
    """One process a service that brings its database to today's form and ends."""
    made = (
        one_shot(service, "migrate", plan.databases, secrets=plan.secrets, log_dir=plan.log_dir) for service in SERVICES
    )
    return tuple(replace(one, environment={**one.environment, **plan.more}) for one in made)


def process_name(service: str, role: str) -> str:
    """What a role's process is called: `advis` when it does everything, else `advis-relay`."""
    return service if role == "all" else f"{service}-{role}"


def slot_name(service: str, role: str, *, supervisor: str = SUPERVISOR) -> str | None:
    """A disclosing role's slot, `<supervisor client id>/<process>`; None for a role that discloses nothing."""
    return f"{supervisor}/{process_name(service, role)}" if (service, role) in DISCLOSING else None


def _issuer(plan: Plan) -> Program:
    where = ("--host", HOST, "--port", str(plan.ports.issuer))
    return Program(
        "issuer",
        python("libs.cli.issuer", "--config", str(plan.issuer_config), *where),
        {**_inherited(), **plan.more, "SAMTYKKEBRO_PROFILE": "development", "SAMTYKKEBRO_INSTANCE": "issuer"},
        log=plan.log_dir / "issuer.log",
        rank=_LAST,
        ready_url=plan.ports.url("issuer") + "/.well-known/openid-configuration",
    )


def _role(plan: Plan, service: str, role: str) -> Program:
    name = process_name(service, role)
    slot = slot_name(service, role)
    own = plan.ports.url(service) if role in WITH_A_DOOR else f"http://{HOST}:{plan.ports.of_process(name)}"
    return Program(
        name,
        python(f"services.{service}", role),
        {**_service(plan, service, name), **plan.more},
        log=plan.log_dir / f"{name}.log",
        slot=slot,
        rank=_FIRST if slot else _THEN,
        ready_url=f"{own}/health/ready",
    )


def _service(plan: Plan, service: str, name: str) -> dict[str, str]:
    told = {
        "PROFILE": "development",
        "INSTANCE": name,
        "HOST": HOST,
        "PORT": str(getattr(plan.ports, service)),
        "METRICS_HOST": HOST,
        "METRICS_PORT": str(plan.ports.of_process(name)),
        "DATABASE_URL": plan.databases[service].runtime,
        "BUS_URL": plan.bus_urls.get(name, plan.bus_url),
        "ISSUER_URL": plan.ports.url("issuer"),
        "AUDIENCE": service,
        "SECRETS_DIR": str(plan.secrets.service(service)),
        "PARKING_KEYS_FILE": str(plan.secrets.parking_keys),
        "REFERENCE_DIR": str(REFERENCE),
        **{f"{other.upper()}_URL": plan.ports.url(other) for other in SERVICES},
    }
    known = declared("common", service)
    chosen = {name: value for name, value in plan.settings.items() if name in known}
    if service == "advis":
        told |= {"CLIENT_ID": "advis", "CLIENT_SECRET_FILE": str(plan.secrets.client("advis"))}
        told |= {"ENDPOINTS_FILE": str(plan.endpoints_file)} if plan.endpoints_file else {}
    if service == "audit":
        told |= {"CHECKPOINT_FILE": str(plan.state_dir / "checkpoint")}
        chosen = {f"{PREFIX}CHECKPOINT_EVERY_S": "1"} | chosen
    return {**_inherited(), **chosen, **_prefixed(told)}


def one_shot(
    service: str, role: str, databases: Mapping[str, DatabaseUrls], *, secrets: Secrets, log_dir: Path
) -> Program:
    """A role of a service that does one thing and ends. It alone gets the owner's URL."""
    name = process_name(service, role)
    told = {
        "PROFILE": "development",
        "INSTANCE": name,
        "MIGRATION_DATABASE_URL": databases[service].owner,
        "SECRETS_DIR": str(secrets.service(service)),
        "REFERENCE_DIR": str(REFERENCE),
    }
    environment = {**_inherited(), **_prefixed(told)}
    return Program(name, python(f"services.{service}", role), environment, log=log_dir / f"{name}.log")


def _prefixed(told: Mapping[str, str]) -> dict[str, str]:
    return {f"{PREFIX}{variable}": value for variable, value in told.items()}


def _inherited() -> dict[str, str]:
    return {"TZ": "UTC", **{name: os.environ[name] for name in _INHERITED if name in os.environ}}
