"""The life of a consent in full: requests, representatives, what employees attest, notices, restrictions, other bases.

Going back loses what only this revision can say, and stops where that would change what is forbidden: a refusal of
everything has no row before it.
"""

from alembic import op

from libs.common.database.revisions import statements, tables_made

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADDED = {
    "catalogue_entry": ("origin", "ended"),
    "citizen": ("moved_in_on",),
    "consent": ("request_id", "answer_by"),
    "coverage": ("since_at",),
    "declaration": ("authority_id", "attested_by", "attested_unit", "confirmed_by"),
    "other_basis": (
        *("emergency_reason", "decision_reference", "recorded_by", "ended_at", "ended_by", "review", "reviewed_at"),
        "reviewed_by",
    ),
    "receipt": ("object_kind", "object_id"),
}
_REQUIRED = {"refusal": ("purpose", "recipient_unit"), "withdrawal": ("receipt_id",)}


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for table, columns in _REQUIRED.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
    for table in reversed(tables_made(__file__)):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP INDEX consent_ceiling_ix")
    op.execute("DROP INDEX consent_unanswered_ix")
    op.execute("REVOKE INSERT, UPDATE, UPDATE (valid_to, body, ended) ON catalogue_entry FROM consent")
    op.execute("REVOKE UPDATE, UPDATE (revision) ON catalogue_revision FROM consent")
    op.execute("REVOKE DELETE ON custody FROM consent")
    op.execute("GRANT UPDATE ON custody TO consent")
    for table, columns in _ADDED.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
