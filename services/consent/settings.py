"""What a consent process reads from its environment; every limit has its unit in its name, no secret has a default."""

from pydantic import Field

from libs.common.running.settings import CommonSettings


class Settings(CommonSettings):
    """The shared settings and consent's own limits."""

    audience: str = "consent"
    public_url: str = ""  # how the outside names this service in receipts and tokens; empty: consent_url

    lease_ms: int = Field(default=5_000, ge=100)
    fence_margin_ms: int = Field(default=500, ge=0)
    permit_wait_ms: int = Field(default=2_000, ge=100)  # no longer than advis waits: what comes later is for nobody
    drain_wait_ms: int = Field(default=8_000, ge=0)
    drain_poll_ms_min: int = Field(default=5, ge=1)
    drain_poll_ms_max: int = Field(default=25, ge=1)

    access_token_seconds: int = Field(default=300, ge=30, le=900)
    permit_kept_hours: int = Field(default=24, ge=1)  # after it ended; a late call with its id is late by seconds
    idempotency_hours: int = Field(default=72, ge=1)
    attest_within_days: int = Field(default=14, ge=1, le=90)  # after the conversation
    attestation_confirm_days: int = Field(default=7, ge=1, le=30)  # for the second employee
    restriction_notice_days: int = Field(default=7, ge=0)
    expiry_sweep_seconds: int = Field(default=30, ge=1)
    request_answer_days: int = Field(default=30, ge=1, le=365)  # then a request has lapsed (R9)
    request_remind_days: int = Field(default=7, ge=1)  # no sooner than this after it was asked, and once (U8)
    expiry_batch: int = Field(default=100, ge=1, le=1_000)

    @property
    def issuer(self) -> str:
        """The name this service signs under."""
        return (self.public_url or self.consent_url).rstrip("/")
