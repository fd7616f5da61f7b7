"""The fence's tables (`docs/fence.md` §1, §2, §4); scopes, permits, holders, withdrawals and the use log.

No foreign key where a disclosure writes: what protects these rows is the order of locks, not the referenced row.
`permit_scope` holds the scopes of *open* permits only, so that a drain reads what is in flight and nothing else.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.consent.tables_citizen import identifier, metadata, moment, word

scope = Table(
    "scope",
    metadata,
    identifier("borger_id"),
    word("purpose"),
    word("recipient_unit"),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("borger_id", "purpose", "recipient_unit"),
)
coverage = Table(
    "coverage",
    metadata,
    identifier("borger_id"),
    word("purpose"),
    word("recipient_unit"),
    word("holder_unit"),
    word("category"),
    Column("since_epoch", BigInteger, nullable=False),
    # When it was recorded: what of the catalogue has ended since breaks it (`domain/coverage.py`).
    Column("since_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    PrimaryKeyConstraint("borger_id", "purpose", "recipient_unit", "holder_unit", "category"),
)
fence_generation = Table(
    "fence_generation",
    metadata,
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
)
withdrawal = Table(
    "withdrawal",
    metadata,
    Column("withdrawal_id", Uuid, primary_key=True),
    identifier("borger_id"),
    word("act"),  # `store_withdrawals.Act`
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
holder = Table(
    "holder",
    metadata,
    Column("holder_id", Uuid, primary_key=True),
    word("slot"),
    word("supervisor"),
    Column("token_sha256", LargeBinary, nullable=False),
    moment("registered_at"),
    moment("died_at", optional=True),
    word("death_proof", optional=True),
    word("confirmed_by", optional=True),
    Index("holder_living_ix", "slot", postgresql_where=text("died_at IS NULL")),
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
# One key for what was granted and what was settled before it was known (a tombstone has no notification).
permit = Table(
    "permit",
    metadata,
    Column("permit_id", Uuid, primary_key=True),
    identifier("holder_id"),
    word("state"),
    identifier("notification_id", optional=True),
    word("actor", optional=True),
    word("kind", optional=True),
    Column("request_sha256", LargeBinary),
    Column("consent_ids", ARRAY(Uuid)),
    moment("acquired_at", optional=True),
    moment("lease_until", optional=True),
    moment("ended_at", optional=True),
    word("outcome", optional=True),
    postgresql_with={"fillfactor": 60},  # a settle writes the row again, on the same page
)
permit_scope = Table(
    "permit_scope",
    metadata,
    identifier("permit_id"),
    identifier("borger_id"),
    identifier("holder_id"),
    word("purpose"),
    word("recipient_unit"),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("permit_id", "borger_id"),
    Index(None, "borger_id", "purpose", "recipient_unit"),
)
use_log = Table(
    "use_log",
    metadata,
    identifier("notification_id"),
    identifier("borger_id"),
    word("actor"),
    word("kind"),
    Column("day", Date, nullable=False),  # UTC
    word("purpose"),
    word("recipient_unit"),
    word("holder_unit"),
    Column("categories", ARRAY(Text), nullable=False),
    word("event_type"),
    Column("consent_ids", ARRAY(Uuid), nullable=False),
    Column("count", Integer, nullable=False),
    Column("not_sent", Integer, nullable=False, server_default=text("0")),
    Column("unknown", Integer, nullable=False, server_default=text("0")),
    moment("first_at"),
    moment("last_at"),
    PrimaryKeyConstraint("notification_id", "borger_id", "actor", "kind", "day"),
    Index(None, "borger_id", "first_at", "notification_id", "kind"),
    postgresql_with={"fillfactor": 80},
)
