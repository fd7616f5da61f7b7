"""Receipts."""

from sqlalchemy import BigInteger, Column, Table, UniqueConstraint, Uuid

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

receipt = Table(
    "receipt",
    metadata,
    Column("receipt_id", Uuid, primary_key=True),
    identifier("borger_id"),
    Column("sequence", BigInteger, nullable=False),
    word("previous_sha256", optional=True),
    word("event"),
    identifier("consent_id", optional=True),
    # What it is about, of whatever kind; empty in those of the first release.
    word("object_kind", optional=True),
    identifier("object_id", optional=True),
    moment("issued_at"),
    word("jws"),
    UniqueConstraint("borger_id", "sequence"),
)
