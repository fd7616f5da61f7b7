"""The tables of the consent database; with `tables_citizen` and `tables_fence` the only source for the migration.

Consents, their history and evidence first; `scope` and what follows it belong to the fence (`docs/fence.md`).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

from services.consent.tables_citizen import finite, identifier, metadata, moment, word

consent = Table(
    "consent",
    metadata,
    Column("consent_id", Uuid, primary_key=True),
    identifier("borger_id"),
    word("purpose"),
    Column("purpose_version", Integer, nullable=False),
    word("holder_unit"),
    word("recipient_unit"),
    Column("categories", ARRAY(Text), nullable=False),
    word("legal_basis"),
    word("text_code"),
    Column("text_version", Integer, nullable=False),
    word("text_sha256"),
    word("language"),
    word("status"),
    moment("requested_at"),
    moment("given_at", optional=True),
    moment("valid_from", optional=True),
    moment("valid_until"),
    moment("ceiling_until"),
    Column("revision", Integer, nullable=False),
    word("closed_reason", optional=True),
    identifier("request_id", optional=True),
    moment("answer_by", optional=True),
    Index(None, "borger_id", "requested_at", "consent_id"),
    Index("consent_unanswered_ix", "answer_by", postgresql_where=text("status IN ('requested', 'pending_signature')")),
    # One consent in force, and one waiting, per question the citizen was asked: a renewal supersedes.
    Index(
        "consent_open_uq",
        *("borger_id", "purpose", "holder_unit", "recipient_unit", "status"),
        unique=True,
        postgresql_where=text("status IN ('requested', 'pending_signature', 'active')"),
    ),
    Index("consent_ceiling_ix", "legal_basis", "given_at", postgresql_where=text("status = 'active'")),
    Index("consent_ending_ix", "valid_until", postgresql_where=text("status IN ('pending_signature', 'active')")),
    finite("valid_from", "valid_until"),
)
consent_history = Table(
    "consent_history",
    metadata,
    Column("consent_id", Uuid, ForeignKey("consent.consent_id"), nullable=False),
    Column("revision", Integer, nullable=False),
    moment("at"),
    word("status"),
    word("actor_kind"),
    word("reason", optional=True),
    Column("snapshot", JSONB, nullable=False),
    PrimaryKeyConstraint("consent_id", "revision"),
)
declaration = Table(
    "declaration",
    metadata,
    Column("declaration_id", Uuid, primary_key=True),
    Column("consent_id", Uuid, ForeignKey("consent.consent_id"), nullable=False),
    identifier("giver"),
    word("role"),
    word("method"),
    word("assurance"),
    moment("at"),
    word("text_sha256"),
    Column("affirmed_special", ARRAY(Text), nullable=False),
    identifier("authority_id", optional=True),
    word("attested_by", optional=True),
    word("attested_unit", optional=True),
    word("confirmed_by", optional=True),
    UniqueConstraint("consent_id", "giver"),
)
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
receipt = Table(
    "receipt",
    metadata,
    Column("receipt_id", Uuid, primary_key=True),
    identifier("borger_id"),
    Column("sequence", BigInteger, nullable=False),
    word("previous_sha256", optional=True),
    word("event"),
    identifier("consent_id", optional=True),
    # What it is about, of whatever kind; empty in those of the first release.
    word("object_kind", optional=True),
    identifier("object_id", optional=True),
    moment("issued_at"),
    word("jws"),
    UniqueConstraint("borger_id", "sequence"),
)
idempotency = Table(
    "idempotency",
    metadata,
    word("actor"),
    word("key"),
    word("request_sha256"),
    Column("status", Integer),
    Column("response", JSON),  # not JSONB: the first answer is repeated to the byte
    moment("created_at"),
    PrimaryKeyConstraint("actor", "key"),
    Index(None, "created_at"),
)
