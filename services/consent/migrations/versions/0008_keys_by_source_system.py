"""Name events by their source system too: `<system>|<CloudEvents source>` (ADR 0016).

The rows of sources that `sources.yaml` names are brought along, so that nothing that was heard is heard again. A row of
any other source stays as it is: no such source can be heard any more.
"""

from alembic import op
from sqlalchemy import text

from libs.common.running.settings import MigrationSettings
from libs.common.wire.sources import load_sources

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = (("inbox", "source"),)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for binding in load_sources(MigrationSettings().reference_dir):
        for source in binding.event_sources:
            _rename(source, f"{binding.code}|{source}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for binding in load_sources(MigrationSettings().reference_dir):
        for source in binding.event_sources:
            _rename(f"{binding.code}|{source}", source)


def _rename(old: str, new: str) -> None:
    for table, column in COLUMNS:
        statement = text(f"UPDATE {table} SET {column} = :new WHERE {column} = :old")  # noqa: S608 - constants
        op.get_bind().execute(statement, {"old": old, "new": new})
