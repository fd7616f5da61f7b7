"""What the tables of every service are made of: metadata that names constraints, and columns of four kinds."""

from typing import Any

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, Text, Uuid


def metadata_of(*, unique: str = "%(table_name)s_%(column_0_N_name)s_uq") -> MetaData:
    """Metadata whose constraints have names. `unique`: the pattern of a unique constraint's name."""
    return MetaData(
        naming_convention={
            "pk": "%(table_name)s_pk",
            "ix": "%(table_name)s_%(column_0_N_name)s_ix",
            "uq": unique,
            "fk": "%(table_name)s_%(column_0_N_name)s_fk",
            "ck": "%(table_name)s_%(constraint_name)s_ck",
        }
    )


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
