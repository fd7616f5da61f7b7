"""Checkpoints and the log's keys."""

from sqlalchemy import BigInteger, Column, DateTime, PrimaryKeyConstraint, Table, Text

from services.audit.model.tables import metadata

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("tree_size", BigInteger, nullable=False),
    Column("signed_at", DateTime(timezone=True), nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("tree_size", "signed_at"),
)


log_key = Table(
    "log_key",
    metadata,
    Column("vkey", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("first_used_at", DateTime(timezone=True), nullable=False),
)
