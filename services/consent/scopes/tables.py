"""Scopes, coverage, and the generation of the fence."""

from sqlalchemy import BigInteger, Column, DateTime, PrimaryKeyConstraint, SmallInteger, Table, text

from libs.common.database.tables import identifier, word
from services.consent.model.tables import metadata

scope = Table(
    "scope",
    metadata,
    identifier("borger_id"),
    word("purpose"),
    word("recipient_unit"),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("borger_id", "purpose", "recipient_unit"),
)


coverage = Table(
    "coverage",
    metadata,
    identifier("borger_id"),
    word("purpose"),
    word("recipient_unit"),
    word("holder_unit"),
    word("category"),
    Column("since_epoch", BigInteger, nullable=False),
    # When it was recorded: what of the catalogue has ended since breaks it (`decision/coverage.py`).
    Column("since_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    PrimaryKeyConstraint("borger_id", "purpose", "recipient_unit", "holder_unit", "category"),
)


fence_generation = Table(
    "fence_generation",
    metadata,
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
)
