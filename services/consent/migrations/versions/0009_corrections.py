"""What was reported of a person, by the event that reported it, so that it can be corrected."""

from alembic import op

from libs.common.database.revisions import statements

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP TABLE life_fact")
    op.execute("REVOKE DELETE ON case_fact, custody_fact FROM consent")
