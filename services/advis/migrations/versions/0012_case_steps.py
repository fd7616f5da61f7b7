"""What was reported of a case, step by step, so that a correction undoes what it names and nothing else."""

from alembic import op

from libs.common.database.revisions import statements

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP TABLE case_step")
