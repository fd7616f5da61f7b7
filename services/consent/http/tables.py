"""Idempotency keys."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table
from sqlalchemy.dialects.postgresql import JSON

from libs.common.database.tables import moment, word
from services.consent.model.tables import metadata

idempotency = Table(
    "idempotency",
    metadata,
    word("actor"),
    word("key"),
    word("request_sha256"),
    Column("status", Integer),
    Column("response", JSON),  # not JSONB: the first answer is repeated to the byte
    moment("created_at"),
    PrimaryKeyConstraint("actor", "key"),
    Index(None, "created_at"),
)
