"""Consents, their history and the declarations they rest on."""

from sqlalchemy import (
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from libs.common.database.tables import finite, identifier, moment, word
from services.consent.model.tables import metadata

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
