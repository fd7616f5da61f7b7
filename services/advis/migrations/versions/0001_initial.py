"""Everything that the first release of advis keeps, and what its runtime role may do with it."""

from alembic import op

from libs.common.database.revisions import statements, tables_made

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for table in reversed(tables_made(__file__)):
        op.execute(f"DROP TABLE {table}")
