"""The tables of the advis database: the only source of truth for the migration.

No row says why anything was refused, and none holds a CPR number, a name or free text (P2, P10).
Subscriptions and endpoints are reference data read from files, not tables: nothing here may change them.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
)

from libs.common.consuming.inbox import inbox_tables, parked_tables
from libs.common.consuming.reported import reported_tables
from libs.common.outbox.outbox import outbox_tables
from libs.common.running.alarms import alarm_tables

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_uq",
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    }
)


def _moment(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=optional)


def _finite(*columns: str) -> CheckConstraint:
    """The driver reads ±infinity as another value than was written: it gets into no column that a source fills."""
    return CheckConstraint(" AND ".join(f"isfinite({column})" for column in columns), name="finite")


outbox_tables(metadata)
inbox_tables(metadata)
parked_tables(metadata)
reported_tables(metadata)
alarm_tables(metadata)
