"""A notification may take the place of one that was wrong."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("ALTER TABLE notification ADD COLUMN corrects UUID, ADD COLUMN annulled BOOLEAN NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute("ALTER TABLE notification DROP COLUMN corrects, DROP COLUMN annulled")
