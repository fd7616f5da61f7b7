"""Look-ups that found nothing are counted while they are repeated."""

from alembic import op

from libs.common.database.revisions import statements

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP TABLE reading")
