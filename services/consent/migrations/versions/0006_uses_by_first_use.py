"""The use log is read by the first use of each line, which never moves, and so is its index."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute(
        "CREATE INDEX use_log_borger_id_first_at_notification_id_kind_ix"
        " ON use_log (borger_id, first_at, notification_id, kind)"
    )
    op.execute("DROP INDEX use_log_borger_id_last_at_ix")


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("CREATE INDEX use_log_borger_id_last_at_ix ON use_log (borger_id, last_at)")
    op.execute("DROP INDEX use_log_borger_id_first_at_notification_id_kind_ix")
