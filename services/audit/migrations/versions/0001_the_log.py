"""The log, its keys and openings, and the plumbing; who may do what with each.

Revision: 0001, the first
"""

from collections.abc import Sequence

from alembic import op

from libs.common.consuming.inbox import INBOX_GRANTS
from libs.common.outbox.outbox import OUTBOX_GRANTS

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

RUNTIME_ROLE = "audit"
TABLES = (
    "batch",
    "bus_position",
    "checkpoint",
    "inbox",
    "leaf",
    "log_key",
    "outbox",
    "outbox_lane",
    "subject_key",
    "subtree",
    "opening",
    "watermark",
)
APPEND_ONLY = ("batch", "leaf", "subtree", "watermark", "checkpoint", "log_key")
ERASABLE = ("opening", "subject_key")

STATEMENTS = (
    r"""
CREATE TABLE batch (
    tree_size BIGINT NOT NULL,
    prev_size BIGINT,
    root BYTEA NOT NULL,
    frontier BYTEA[] NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT batch_pk PRIMARY KEY (tree_size),
    CONSTRAINT batch_genesis_ck CHECK ((prev_size IS NULL) = (tree_size = 0)),
    CONSTRAINT batch_grows_ck CHECK (prev_size < tree_size),
    CONSTRAINT batch_root_length_ck CHECK (octet_length(root) = 32),
    CONSTRAINT batch_prev_size_uq UNIQUE (prev_size),
    CONSTRAINT batch_prev_size_fk FOREIGN KEY(prev_size) REFERENCES batch (tree_size)
)
""",
    r"""
CREATE TABLE bus_position (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    CONSTRAINT bus_position_pk PRIMARY KEY (topic, partition)
)
""",
    r"""
CREATE TABLE checkpoint (
    tree_size BIGINT NOT NULL,
    signed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    note TEXT NOT NULL,
    CONSTRAINT checkpoint_pk PRIMARY KEY (tree_size, signed_at)
)
""",
    r"""
CREATE TABLE inbox (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT inbox_pk PRIMARY KEY (source, event_id)
)
""",
    r"""
CREATE TABLE leaf (
    leaf_index BIGINT NOT NULL,
    leaf_hash BYTEA NOT NULL,
    body BYTEA NOT NULL,
    type TEXT NOT NULL,
    occurred_at TEXT COLLATE "C" NOT NULL,
    producer TEXT NOT NULL,
    generation BIGINT,
    lane SMALLINT,
    number BIGINT,
    CONSTRAINT leaf_pk PRIMARY KEY (leaf_index),
    CONSTRAINT leaf_hash_of_body_ck CHECK (leaf_hash = sha256('\x00'::bytea || body)),
    CONSTRAINT leaf_columns_of_body_ck CHECK (
        convert_from(body, 'UTF8')::jsonb
        @> jsonb_build_object('type', type, 'occurred_at', occurred_at, 'producer', producer,
        'generation', generation, 'lane', lane, 'number', number)),
    CONSTRAINT leaf_body_length_ck CHECK (octet_length(body) <= 16384),
    CONSTRAINT leaf_index_ck CHECK (leaf_index >= 0)
)
""",
    "CREATE UNIQUE INDEX leaf_number_uq ON leaf (producer, generation, lane, number) WHERE number IS NOT NULL",
    "CREATE INDEX leaf_occurred_at_leaf_index_ix ON leaf (occurred_at, leaf_index)",
    "CREATE INDEX leaf_type_leaf_index_ix ON leaf (type, leaf_index)",
    r"""
CREATE TABLE log_key (
    vkey TEXT NOT NULL,
    origin TEXT NOT NULL,
    first_used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT log_key_pk PRIMARY KEY (vkey)
)
""",
    r"""
CREATE TABLE outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    lane SMALLINT NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    headers JSONB NOT NULL,
    payload BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    generation BIGINT,
    number BIGINT,
    CONSTRAINT outbox_pk PRIMARY KEY (id)
)
""",
    "CREATE UNIQUE INDEX outbox_numbered ON outbox (lane, generation, number)",
    "CREATE INDEX outbox_unnumbered ON outbox (id) WHERE number IS NULL",
    r"""
CREATE TABLE outbox_lane (
    lane SMALLINT NOT NULL,
    generation BIGINT DEFAULT 1 NOT NULL,
    numbered BIGINT DEFAULT 0 NOT NULL,
    sent BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT outbox_lane_pk PRIMARY KEY (lane)
)
""",
    r"""
CREATE TABLE subject_key (
    subject_ref UUID NOT NULL,
    lookup BYTEA NOT NULL,
    kind TEXT NOT NULL,
    wrapped_dek BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT subject_key_pk PRIMARY KEY (subject_ref),
    CONSTRAINT subject_key_lookup_uq UNIQUE (lookup),
    CONSTRAINT subject_key_kind_ck CHECK (kind IN ('subject', 'actor'))
)
""",
    r"""
CREATE TABLE subtree (
    level SMALLINT NOT NULL,
    position BIGINT NOT NULL,
    root BYTEA NOT NULL,
    CONSTRAINT subtree_pk PRIMARY KEY (level, position),
    CONSTRAINT subtree_form_ck CHECK (level > 0 AND position >= 0 AND octet_length(root) = 32)
)
""",
    r"""
CREATE TABLE opening (
    subject_ref UUID NOT NULL,
    leaf_index BIGINT NOT NULL,
    nonce BYTEA NOT NULL,
    ct BYTEA NOT NULL,
    CONSTRAINT opening_pk PRIMARY KEY (subject_ref, leaf_index),
    CONSTRAINT opening_nonce_length_ck CHECK (octet_length(nonce) = 12),
    CONSTRAINT opening_subject_ref_fk FOREIGN KEY(subject_ref) REFERENCES subject_key (subject_ref)
)
""",
    "CREATE INDEX opening_leaf_index_ix ON opening (leaf_index)",
    r"""
CREATE TABLE watermark (
    producer TEXT NOT NULL,
    generation BIGINT NOT NULL,
    lane SMALLINT NOT NULL,
    tree_size BIGINT NOT NULL,
    highest BIGINT NOT NULL,
    holes JSONB NOT NULL,
    CONSTRAINT watermark_pk PRIMARY KEY (producer, generation, lane, tree_size),
    CONSTRAINT watermark_tree_size_fk FOREIGN KEY(tree_size) REFERENCES batch (tree_size)
)
""",
)

# Whoever may write at all, owner included, meets these first. Taking them off is a migration, and so on record.
REFUSE = r"""
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the log is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = '42501';
END $$
"""


def upgrade() -> None:
    # A migration that cannot get its lock gives up: behind it every writer would queue.
    op.execute("SET lock_timeout = '3s'")
    for statement in (*STATEMENTS, REFUSE):
        op.execute(statement)
    # The empty tree: the one batch without a predecessor.
    op.execute(
        "INSERT INTO batch (tree_size, prev_size, root, frontier, recorded_at)"
        " VALUES (0, NULL, sha256(''), '{}', clock_timestamp())"
    )
    for table in APPEND_ONLY:
        _refuse(table, "UPDATE OR DELETE")
    for table in ERASABLE:
        _refuse(table, "UPDATE")
    for table in (*APPEND_ONLY, *ERASABLE):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {RUNTIME_ROLE}")
    for table, privileges in (OUTBOX_GRANTS | INBOX_GRANTS).items():
        op.execute(f"GRANT {privileges} ON {table} TO {RUNTIME_ROLE}")


def _refuse(table: str, verbs: str) -> None:
    """ALWAYS: also in a session that has set session_replication_role."""
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE {verbs} ON {table} FOR EACH ROW EXECUTE FUNCTION append_only()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate")


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION append_only()")
