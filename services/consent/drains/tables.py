"""Withdrawals, and the orders to fence a holder."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, UniqueConstraint, Uuid, text

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

withdrawal = Table(
    "withdrawal",
    metadata,
    Column("withdrawal_id", Uuid, primary_key=True),
    identifier("borger_id"),
    word("act"),  # `store.Act`
    identifier("object_id"),  # the consent, the refusal, …: a repeated act finds its own withdrawal here
    moment("registered_at"),
    moment("drained_at", optional=True),
    identifier("receipt_id", optional=True),  # an act on several consents has one for each, in `withdrawal_part`
    UniqueConstraint("object_id", "act"),
    Index(None, "borger_id"),
    Index("withdrawal_draining_ix", "registered_at", postgresql_where=text("drained_at IS NULL")),
)


withdrawal_part = Table(
    "withdrawal_part",
    metadata,
    identifier("withdrawal_id"),
    identifier("consent_id"),
    word("outcome"),
    identifier("receipt_id", optional=True),
    PrimaryKeyConstraint("withdrawal_id", "consent_id"),
    Index(None, "consent_id"),
)


withdrawal_scope = Table(
    "withdrawal_scope",
    metadata,
    identifier("withdrawal_id"),
    identifier("borger_id"),
    word("purpose"),
    word("recipient_unit"),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("withdrawal_id", "borger_id", "purpose", "recipient_unit"),
)


fence_order = Table(
    "fence_order",
    metadata,
    Column("holder_id", Uuid, primary_key=True),
    word("slot"),
    moment("ordered_at"),
    word("reason"),
    Index(None, "slot"),
)
