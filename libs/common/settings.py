"""What every process reads from its environment, under one prefix.

Rules: nothing is read at import; every limit carries its unit in its name; nothing secret has a default, and
what may hold a password is left out of `repr`. A service subclasses this and adds its own limits.
"""

from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_CONFIG = SettingsConfigDict(env_prefix="SAMTYKKEBRO_", frozen=True, extra="ignore")


class MigrationSettings(BaseSettings):
    """The one-shot `migrate` role: the owner's address, which no running service ever sees."""

    model_config = _CONFIG

    migration_database_url: str = Field(repr=False)
    reference_dir: Path = Path("deploy/reference")


class CommonSettings(BaseSettings):
    """Shared by every running role. Raises pydantic's `ValidationError` naming what is missing."""

    model_config = _CONFIG

    profile: Literal["development", "production"] = "production"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    instance: str = ""  # this process's name in logs; empty: the service and role
    parent_pid: int | None = None  # set by the supervisor; see libs.common.process

    database_url: str = Field(repr=False)  # the runtime role
    database_pool_size: int = Field(default=10, ge=1, le=100)
    bus_url: str = Field(repr=False)  # postgresql+asyncpg://… or kafka://host:port[,host:port]

    issuer_url: str
    audience: str  # a service sets its own name as the default
    client_id: str = ""
    client_secret_file: Path | None = None
    secrets_dir: Path = Path("secrets")
    reference_dir: Path = Path("deploy/reference")

    consent_url: str = "http://127.0.0.1:8101"
    advis_url: str = "http://127.0.0.1:8102"
    audit_url: str = "http://127.0.0.1:8103"

    holder_id: UUID | None = None  # given by the supervisor to a process that discloses (fence.md §1)
    holder_token: str | None = Field(default=None, repr=False)
