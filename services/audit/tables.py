"""The tables of the audit database: the only source of truth for the migrations, and what binds them together.

1. `leaf`, `batch`, `subtree`, `watermark`, `checkpoint`, `log_key` are append-only for everybody (triggers) and the
   runtime role may INSERT and SELECT at most. `opening` and `subject_key` may be deleted, by the eraser's role alone.
2. A leaf's hash is the hash of its body, and a column that is searched says what the body says: CHECKed, because an
   edited search column is invisible to whoever verifies the tree only (audit.md §0.9).
3. `batch.prev_size` is UNIQUE: of all sequencers that saw one head, one wins. Sequences give no numbers here: a
   rollback would leave a hole in the tree.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from libs.common.alarms import alarm_tables
from libs.common.inbox import inbox_tables
from libs.common.outbox import outbox_tables

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    }
)
outbox_tables(metadata)
inbox_tables(metadata)
alarm_tables(metadata)

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
    Column("recorded_at", DateTime(timezone=True), nullable=False),
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
subtree = Table(
    "subtree",
    metadata,
    Column("level", SmallInteger, nullable=False),  # k: the root over 256^k leaves
    Column("position", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "position"),
    CheckConstraint("level > 0 AND position >= 0 AND octet_length(root) = 32", name="form"),
)
subject_key = Table(
    "subject_key",
    metadata,
    Column("subject_ref", Uuid, primary_key=True),
    Column("lookup", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("wrapped_dek", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("lookup"),
    CheckConstraint("kind IN ('subject', 'actor')", name="kind"),
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
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("tree_size", BigInteger, nullable=False),
    Column("signed_at", DateTime(timezone=True), nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("tree_size", "signed_at"),
)
log_key = Table(
    "log_key",
    metadata,
    Column("vkey", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("first_used_at", DateTime(timezone=True), nullable=False),
)
