"""Everything that consent kept at first, and what its runtime role might do with it.

The fence's generation begins at 1; only an operator raises it (`docs/fence.md`).
"""

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
