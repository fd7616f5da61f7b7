"""What employees attest that citizens have said to them (U4)."""

from sqlalchemy import Column, Index, Integer, Table, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from libs.common.database.tables import finite, identifier, moment, word
from services.consent.model.tables import metadata

attestation = Table(
    "attestation",
    metadata,
    Column("attestation_id", Uuid, primary_key=True),
    identifier("borger_id"),  # whom the act is about
    identifier("giver"),  # who spoke: the citizen, or who acts for them
    word("act"),  # `grant`, `decline`, `withdraw`, `refuse` or `lift`
    Column("content", JSONB, nullable=False),  # codes, ids and the text's hash: what the act was said about
    word("method"),
    moment("conversed_at"),
    word("attested_by"),
    word("attested_unit"),
    word("attested_role"),
    word("assurance"),
    moment("registered_at"),
    moment("lapses_at", optional=True),
    word("status"),
    word("decided_by", optional=True),
    moment("decided_at", optional=True),
    identifier("object_id", optional=True),  # the consent, the refusal or the request that it came to be about
    Column("revision", Integer, nullable=False),
    Index(None, "attested_unit", "registered_at", "attestation_id"),
    Index(None, "borger_id"),
    Index("attestation_waiting_ix", "lapses_at", postgresql_where=text("status = 'proposed'")),
    finite("conversed_at"),
)
