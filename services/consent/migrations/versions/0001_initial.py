"""Everything that the first release of consent keeps, and what its runtime role may do with it.

The tables are those of `tables_citizen`, `tables` and `tables_fence` with the shared outbox and inbox, as they were at
this revision. The fence's generation begins at 1; only an operator raises it (`docs/fence.md` §1).
"""

from alembic import op

from services.consent import tables, tables_authority, tables_fence, tables_notices
from services.consent.grants import GRANTS, RUNTIME_ROLE
from services.consent.tables_citizen import metadata
from services.consent.tables_requests import consent_request

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

assert tables.consent.metadata is tables_fence.scope.metadata is metadata  # importing them filled it
assert tables_notices.notice.metadata is tables_authority.authority.metadata is metadata
assert consent_request.metadata is metadata


def upgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    metadata.create_all(op.get_bind())
    for table, rights in GRANTS.items():
        op.execute(f"GRANT {rights} ON {table} TO {RUNTIME_ROLE}")
    op.execute('INSERT INTO fence_generation ("only", generation) VALUES (1, 1)')


def downgrade() -> None:
    op.execute("SET lock_timeout = '3s'")
    metadata.drop_all(op.get_bind())
