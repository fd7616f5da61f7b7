"""What an advis process reads from its environment. Every limit has a unit in its name; no secret has a default."""

from pathlib import Path

from pydantic import Field

from libs.common.running.settings import CommonSettings


class Settings(CommonSettings):
    """Advis. Raises pydantic's ValidationError naming what is missing."""

    audience: str = "advis"

    endpoints_file: Path | None = None  # None: endpoints.yaml in the reference folder, when there is one

    lease_ms: int = Field(default=5_000, ge=100, le=5_000)  # never longer than consent's, which may be shorter
    consent_timeout_ms: int = Field(default=2_000, ge=50, le=30_000)
    settle_at_stop_ms: int = Field(default=3_000, ge=0, le=30_000)  # the rest is settled by the confirmed death

    doorbell_batch: int = Field(default=32, ge=1, le=500)  # attempts under way at once
    doorbell_batch_of_endpoint: int = Field(default=8, ge=1, le=500)  # of these to one endpoint
    doorbell_poll_ms: int = Field(default=500, ge=10, le=60_000)
    doorbell_claim_s: int = Field(default=30, ge=10, le=600)  # a crashed attempt is forgotten after this

    retention_done_days: int = Field(default=30, ge=1)  # R19: handled or cancelled
    retention_any_days: int = Field(default=90, ge=1)  # R19: raised
