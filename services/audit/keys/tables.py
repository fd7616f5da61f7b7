"""Wrapped keys of persons."""

from sqlalchemy import CheckConstraint, Column, DateTime, LargeBinary, Table, Text, UniqueConstraint, Uuid, func

from services.audit.model.tables import metadata

subject_key = Table(
    "subject_key",
    metadata,
    Column("subject_ref", Uuid, primary_key=True),
    Column("lookup", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("wrapped_dek", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("lookup"),
    CheckConstraint("kind IN ('subject', 'actor')", name="kind"),
)
