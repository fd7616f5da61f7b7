"""What is told once is known by its notice, no longer by a key in the bus inbox, whose keys are purged."""

from alembic import op

from libs.common.database.revisions import statements

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEYS = """
INSERT INTO inbox (source, event_id, received_at)
SELECT 'urn:samtykkebro:consent:expiry-notice', object_id::text, at FROM notice WHERE kind = 'expiring_soon'
UNION ALL SELECT 'urn:samtykkebro:consent:age', object_id || ':' || kind, at FROM notice
WHERE kind IN ('asked_at_15', 'child_involved', 'of_age_at_18')
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP INDEX notice_once_uq")
    op.execute(_KEYS)
