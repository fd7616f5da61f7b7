"""The metadata that every table of consent joins, and the columns they are made of. All times are `timestamptz`."""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    Text,
    Uuid,
)

from libs.common.consuming.inbox import inbox_tables, parked_tables
from libs.common.consuming.reported import reported_tables
from libs.common.outbox.outbox import outbox_tables
from libs.common.running.alarms import alarm_tables

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    }
)
outbox_tables(metadata)
inbox_tables(metadata)
parked_tables(metadata)
reported_tables(metadata)
alarm_tables(metadata)


def moment(name: str, *, optional: bool = False) -> Column[Any]:
    """A `timestamptz` column."""
    return Column(name, DateTime(timezone=True), nullable=optional)


def finite(*columns: str) -> CheckConstraint:
    """The driver reads ±infinity as another value than was written: it gets into no column that a caller fills."""
    return CheckConstraint(" AND ".join(f"isfinite({column})" for column in columns), name="finite")


def word(name: str, *, optional: bool = False) -> Column[Any]:
    """A text column: a code or an identifier, never free text."""
    return Column(name, Text, nullable=optional)


def identifier(name: str, *, optional: bool = False) -> Column[Any]:
    """A UUID column."""
    return Column(name, Uuid, nullable=optional)
