"""Why a case event was parked, so that its source can ask; and which were reported, so that they can be corrected."""

from alembic import op

from libs.common.database.revisions import statements

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    for statement in statements(__file__):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("DROP TABLE parked_event, reported_event")
