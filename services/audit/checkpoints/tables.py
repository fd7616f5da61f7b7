"""Checkpoints and the log's keys."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text

from libs.common.database.tables import moment
from services.audit.model.tables import metadata

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("tree_size", BigInteger, nullable=False),
    moment("signed_at"),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("tree_size", "signed_at"),
)


log_key = Table(
    "log_key",
    metadata,
    Column("vkey", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    moment("first_used_at"),
)
