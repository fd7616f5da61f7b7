"""Refusals."""

from sqlalchemy import Column, Index, Table, Uuid

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

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
