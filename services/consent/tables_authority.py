"""Who may act for whom by a recorded authority, and what employees attest that citizens have said to them (U4, R11)."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.consent.tables_citizen import finite, identifier, metadata, moment, word

authority = Table(
    "authority",
    metadata,
    Column("authority_id", Uuid, primary_key=True),
    identifier("borger_id"),
    identifier("representative"),
    word("kind"),
    Column("replaces", Boolean, nullable=False),
    Column("purposes", ARRAY(Text)),  # null: every purpose
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    word("evidence"),
    word("recorded_by"),
    word("recorded_unit"),
    moment("recorded_at"),
    word("status"),
    word("confirmed_by", optional=True),
    moment("confirmed_at", optional=True),
    moment("ended_at", optional=True),
    Column("revision", Integer, nullable=False),
    # One authority at a time per pair, so that whoever acts always acts under the same one.
    Index(
        "authority_open_uq",
        *("borger_id", "representative"),
        unique=True,
        postgresql_where=text("status IN ('proposed', 'active')"),
    ),
    Index(None, "representative"),
    Index(None, "recorded_unit", "recorded_at", "authority_id"),
    finite("valid_from", "valid_to"),
)
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
