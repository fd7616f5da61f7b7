"""No moment and no day that a caller can fill is infinite; what was is moved to the edge of the window, or is null."""

from alembic import op

from libs.common.database.revisions import statements, tables_altered

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
    for table in tables_altered(__file__):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_finite_ck")
