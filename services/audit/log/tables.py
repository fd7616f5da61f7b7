"""Leaves, their batches, openings, and the numbers that have come."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from libs.common.database.tables import moment
from services.audit.model.tables import metadata

BODY_BINDS_COLUMNS = (
    "convert_from(body, 'UTF8')::jsonb @> jsonb_build_object('type', type, 'occurred_at', occurred_at,"
    " 'producer', producer, 'generation', generation, 'lane', lane, 'number', number)"
)


batch = Table(
    "batch",
    metadata,
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("prev_size", BigInteger, ForeignKey("batch.tree_size"), unique=True),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", ARRAY(LargeBinary), nullable=False),
    moment("recorded_at"),
    # The row of size 0 is the only one without a predecessor, so that there is one history and not two.
    CheckConstraint("(prev_size IS NULL) = (tree_size = 0)", name="genesis"),
    CheckConstraint("prev_size < tree_size", name="grows"),
    CheckConstraint("octet_length(root) = 32", name="root_length"),
)


leaf = Table(
    "leaf",
    metadata,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("type", Text, nullable=False),
    Column("occurred_at", Text(collation="C"), nullable=False),  # as in the body: sorts as it reads
    Column("producer", Text, nullable=False),
    Column("generation", BigInteger),
    Column("lane", SmallInteger),
    Column("number", BigInteger),
    CheckConstraint("leaf_hash = sha256('\\x00'::bytea || body)", name="hash_of_body"),
    CheckConstraint(BODY_BINDS_COLUMNS, name="columns_of_body"),
    CheckConstraint("octet_length(body) <= 16384", name="body_length"),
    CheckConstraint("leaf_index >= 0", name="index"),
    Index(
        "leaf_number_uq",
        "producer",
        "generation",
        "lane",
        "number",
        unique=True,
        postgresql_where=text("number IS NOT NULL"),
    ),
    Index(None, "type", "leaf_index"),
    Index(None, "occurred_at", "leaf_index"),
)


opening = Table(
    "opening",
    metadata,
    # The key first: a person's history is one range. No reference to `leaf`, which is never deleted.
    Column("subject_ref", Uuid, ForeignKey("subject_key.subject_ref"), nullable=False),
    Column("leaf_index", BigInteger, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ct", LargeBinary, nullable=False),
    PrimaryKeyConstraint("subject_ref", "leaf_index"),
    CheckConstraint("octet_length(nonce) = 12", name="nonce_length"),
    Index(None, "leaf_index"),
)


watermark = Table(
    "watermark",
    metadata,
    Column("producer", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("tree_size", BigInteger, ForeignKey("batch.tree_size"), nullable=False),
    Column("highest", BigInteger, nullable=False),
    Column("holes", JSONB, nullable=False),  # [{first, last, since, gap: [first, last] | null}], ascending
    PrimaryKeyConstraint("producer", "generation", "lane", "tree_size"),
)
