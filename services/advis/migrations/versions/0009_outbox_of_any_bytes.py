"""The outbox carries headers of any bytes, and says which rows the bus will never take.

JSON text becomes the same JSON in which each byte is one character (`bus.port.pack_headers`); rows stay. Going
back is refused while a row holds what JSONB cannot.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UP = "convert_to(convert_from(convert_to(headers::text, 'UTF8'), 'LATIN1'), 'UTF8')"
_DOWN = "convert_from(convert_to(convert_from(headers, 'UTF8'), 'LATIN1'), 'UTF8')::jsonb"


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute(f"ALTER TABLE outbox ALTER COLUMN headers TYPE bytea USING {_UP}, ADD COLUMN refused text")
    op.execute("CREATE INDEX outbox_refused ON outbox (id) WHERE refused IS NOT NULL")


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    op.execute(f"ALTER TABLE outbox DROP COLUMN refused, ALTER COLUMN headers TYPE jsonb USING {_DOWN}")
