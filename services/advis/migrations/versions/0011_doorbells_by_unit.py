"""Doorbells are claimed unit by unit, so that the many of one that is silent hide nobody else's."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP INDEX doorbell_due_ix")
    op.execute("CREATE INDEX doorbell_due_ix ON doorbell (recipient_unit, next_attempt_at) WHERE state = 'due'")


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP INDEX doorbell_due_ix")
    op.execute("CREATE INDEX doorbell_due_ix ON doorbell (next_attempt_at) WHERE state = 'due'")
