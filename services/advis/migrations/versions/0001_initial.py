"""Everything that the first release of advis keeps, and what its runtime role may do with it.

The tables are those of `services/advis/tables.py` and the shared outbox and inbox, as they were at this revision.
"""

from alembic import op

from services.advis.tables import GRANTS, metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RUNTIME_ROLE = "advis"


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    metadata.create_all(op.get_bind())
    for table, rights in GRANTS.items():
        op.execute(f"GRANT {rights} ON {table} TO {RUNTIME_ROLE}")


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    metadata.drop_all(op.get_bind())
