"""The tables of requests: what a unit asked a citizen, and which consent row waits for each answer or holds it."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

consent_request = Table(
    "consent_request",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    identifier("borger_id"),
    word("unit"),
    word("function"),
    word("requested_by"),
    word("case_reference", optional=True),
    word("purpose"),
    word("text_code"),
    Column("text_version", Integer, nullable=False),
    word("text_sha256"),
    word("language"),
    moment("requested_at"),
    moment("answer_by"),
    moment("reminded_at", optional=True),
    moment("cancelled_at", optional=True),
    Column("revision", Integer, nullable=False),
    Index(None, "borger_id", "requested_at", "request_id"),
    Index(None, "unit", "requested_at", "request_id"),
)
request_item = Table(
    "request_item",
    metadata,
    Column("item_id", Uuid, primary_key=True),
    Column("request_id", Uuid, ForeignKey("consent_request.request_id"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    word("holder_unit"),
    word("recipient_unit"),
    Column("categories", ARRAY(Text), nullable=False),
    # The row that waits for the answer or holds it; another one when a different answer has replaced it.
    Column("consent_id", Uuid, ForeignKey("consent.consent_id"), nullable=False, index=True),
)
