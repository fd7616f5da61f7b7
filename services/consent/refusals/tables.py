"""Refusals."""

from sqlalchemy import Column, Index, Table, Uuid

from services.consent.model.tables import identifier, metadata, moment, word

refusal = Table(
    "refusal",
    metadata,
    Column("refusal_id", Uuid, primary_key=True),
    identifier("borger_id"),
    word("purpose", optional=True),  # null: every purpose
    word("recipient_unit", optional=True),  # null: every recipient
    moment("recorded_at"),
    moment("lifted_at", optional=True),
    Index(None, "borger_id"),
)
