"""What every process reads from its environment, under one prefix.

Rules: nothing is read at import; every limit carries its unit in its name; nothing secret has a default, and
what may hold a password is left out of `repr`. A service subclasses this and adds its own limits.

A variable under the prefix that nothing of ours knows stops the start: a misspelled limit would otherwise be its
default. `deploy/env/*.env.example` declares every variable; a test holds it against the classes. A variable that
another service knows is accepted, because roles may share one environment, and is logged as unused.
"""

import os
import re
from collections.abc import Iterable
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.http.admission import Limits

PREFIX = "SAMTYKKEBRO_"
GENERATION_MAX = 1_000_000  # an epoch has room for eight times as many
LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
EXAMPLES = Path(__file__).parents[3] / "deploy" / "env"
_DECLARATION = re.compile(rf"^(?:# )?({PREFIX}[A-Z0-9_]+)=", re.MULTILINE)


class UnknownSettingError(ValueError):
    """A variable under our prefix that nothing of ours knows; the text names it and the nearest known one."""


@cache
def declared(*files: str) -> frozenset[str]:
    """The variables that these example files declare (`common`, `consent` …); none named: all of them."""
    paths = [EXAMPLES / f"{name}.env.example" for name in files] or sorted(EXAMPLES.glob("*.env.example"))
    return frozenset(name for path in paths for name in _DECLARATION.findall(path.read_text(encoding="utf-8")))


def given(environment: Iterable[str]) -> frozenset[str]:
    """The names under our prefix."""
    return frozenset(name for name in environment if name.startswith(PREFIX))


def require_known(environment: Iterable[str], known: Iterable[str]) -> None:
    """Raises UnknownSettingError for the first variable under our prefix that is not among `known`."""
    known = frozenset(known)
    for name in sorted(given(environment) - known):
        raise UnknownSettingError(f"{name} is no setting{nearest(name, known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """`; the nearest is X`, for the end of a refusal; empty where nothing is near."""
    found = get_close_matches(name, sorted(known), n=1)
    return f"; the nearest is {found[0]}" if found else ""


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def variables(cls) -> frozenset[str]:
        """The environment variables that this class reads."""
        return frozenset(f"{PREFIX}{name.upper()}" for name in cls.model_fields)

    @classmethod
    def unused(cls) -> list[str]:
        """The variables of ours that are given and that another process would read."""
        return sorted(given(os.environ) - cls.variables())

    @model_validator(mode="before")
    @classmethod
    def _given_is_known(cls, values: Any) -> Any:
        require_known(os.environ, cls.variables() | declared())
        return values


class MigrationSettings(_Settings):
    """The one-shot roles `migrate` and `generation`: the owner's address, which no running service ever sees."""

    migration_database_url: str = Field(repr=False)
    generation_above: int = Field(default=0, ge=0, le=GENERATION_MAX)  # `generation`: what was in use since the backup
    reference_dir: Path = Path("deploy/reference")


class CommonSettings(_Settings, Limits):
    """Shared by every running role. Raises pydantic's `ValidationError` naming what is missing or unknown."""

    profile: Literal["development", "production"] = "production"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    instance: str = ""  # this process's name in logs; empty: the service and role
    parent_pid: int | None = None  # set by the supervisor; see libs.common.running.process

    database_url: str = Field(repr=False)  # the runtime role
    database_pool_size: int = Field(default=10, ge=1, le=100)
    database_reserved_connections: int = Field(default=3, ge=0)  # of each pool, for ways to stop alone
    # postgresql+asyncpg://… or kafka[+tls]://[user@]host:port[,host:port][?ca_file=…] (bus_kafka)
    bus_url: str = Field(repr=False)

    # Outbox, inbox keys, both buses and their dead letters keep a record this long; older backups are not restorable.
    replay_horizon_days: int = Field(default=15, ge=1, le=365)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)  # /metrics and /health of this process; 0: no such listener
    outbox_behind_s: int = Field(default=60, ge=1)  # an unsent row older than this is an alarm

    retention_every_s: int = Field(default=600, ge=1)  # how often what is over is deleted
    alarm_retention_days: int = Field(default=90, ge=1, le=3_650)  # after an alarm was acknowledged

    issuer_url: str
    audience: str  # a service sets its own name as the default
    client_id: str = ""
    client_secret_file: Path | None = None
    secrets_dir: Path = Path("secrets")
    parking_keys_file: Path | None = None  # the operator's public keys; None: parking-keys.json in secrets_dir
    reference_dir: Path = Path("deploy/reference")
    former_case_events_until: date = date(2027, 6, 30)  # from this day records on the topic case.events are parked

    consent_url: str = "http://127.0.0.1:8101"
    advis_url: str = "http://127.0.0.1:8102"
    audit_url: str = "http://127.0.0.1:8103"

    holder_id: UUID | None = None  # given by the supervisor to a process that discloses (docs/fence.md)
    holder_token: str | None = Field(default=None, repr=False)

    @property
    def parking_keys(self) -> Path:
        """The file with the operator's public keys, to which parked records are sealed."""
        return self.parking_keys_file or self.secrets_dir / "parking-keys.json"

    @property
    def replay_horizon(self) -> timedelta:
        """How long a record may have lain on the bus and still be handled."""
        return timedelta(days=self.replay_horizon_days)

    @model_validator(mode="after")
    def _no_open_wire(self) -> Self:
        """In production what is on the bus crosses no network in clear."""
        parts = urlsplit(self.bus_url)
        if self.profile == "production" and parts.scheme == "kafka":
            for server in parts.netloc.rpartition("@")[2].split(","):
                if server.rpartition(":")[0] not in LOOPBACK:
                    raise ValueError(f"{PREFIX}BUS_URL must be kafka+tls:// outside loopback in the production profile")
        return self


def pool_of(settings: CommonSettings) -> dict[str, int]:
    """The sizes that `Database` takes."""
    return {"pool_size": settings.database_pool_size, "reserved": settings.database_reserved_connections}
