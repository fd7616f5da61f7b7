"""What an audit process reads from its environment. Every limit has a unit in its name; no secret has a default."""

from pathlib import Path

from pydantic import Field

from libs.common.running.settings import CommonSettings


class Settings(CommonSettings):
    """Audit. Raises pydantic's ValidationError naming what is missing."""

    audience: str = "audit"

    log_origin: str = Field(default="samtykkebro.local/audit", min_length=1, max_length=200, pattern=r"^[^\s+]+$")
    tenant: str = Field(default="101", pattern=r"^[A-Za-z0-9-]{1,40}$")  # the municipality's code, in every leaf

    gap_grace_s: int = Field(default=30, ge=1, le=86_400)  # a number that is late by more is reported as missing
    gap_poll_s: int = Field(default=5, ge=1, le=3_600)

    checkpoint_every_s: int = Field(default=10, ge=1, le=3_600)
    checkpoint_idle_s: int = Field(default=60, ge=1, le=86_400)  # signed again this often when nothing was appended
    checkpoint_file: Path | None = None  # what was signed last, outside the database: finds a restored backup
