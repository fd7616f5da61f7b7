"""Other legal bases, emergencies among them."""

from sqlalchemy import Column, Index, Table, Uuid

from libs.common.database.tables import finite, identifier, moment, word
from services.consent.model.tables import metadata

other_basis = Table(
    "other_basis",
    metadata,
    Column("basis_id", Uuid, primary_key=True),
    identifier("borger_id"),
    word("holder_unit"),
    word("recipient_unit"),
    word("category"),
    word("purpose"),
    word("legal_basis"),
    moment("valid_from"),
    moment("valid_until"),
    word("emergency_reason", optional=True),  # an emergency disclosure has one, no other basis does
    word("decision_reference"),
    word("recorded_by"),
    moment("ended_at", optional=True),
    word("ended_by", optional=True),
    word("review", optional=True),
    moment("reviewed_at", optional=True),
    word("reviewed_by", optional=True),
    Index(None, "borger_id"),
    finite("valid_from", "valid_until"),
)
