"""Indexes that let each purge find what is over."""

from alembic import op

from libs.common.database.revisions import statements

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP INDEX inbox_received_ix")
    op.execute("CREATE INDEX notification_changed_ix ON notification (changed_at)")
    op.execute("DROP INDEX notification_ended_ix")
    op.execute("DROP INDEX notification_arrived_ix")
