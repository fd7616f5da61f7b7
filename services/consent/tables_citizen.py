"""Who people are, their custody and case facts, the reference data; and the metadata that every table here joins.

CPR numbers are here and nowhere else: `citizen.cpr_lookup` is a keyed hash, `citizen.cpr_ciphertext` is encrypted.
All times are `timestamptz`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from libs.common.alarms import alarm_tables
from libs.common.inbox import inbox_tables, parked_tables
from libs.common.outbox import outbox_tables
from libs.common.reported import reported_tables

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


citizen = Table(
    "citizen",
    metadata,
    Column("borger_id", Uuid, primary_key=True),
    Column("cpr_lookup", LargeBinary, nullable=False),
    word("lookup_key_version"),
    Column("cpr_ciphertext", LargeBinary, nullable=False),
    word("encryption_key_version"),
    Column("birth_date", Date, nullable=False),
    Column("died_on", Date),
    Column("moved_out_on", Date),
    moment("created_at"),
    Column("moved_in_on", Date),
    UniqueConstraint("lookup_key_version", "cpr_lookup"),
    finite("birth_date", "died_on", "moved_out_on", "moved_in_on"),
)
custody = Table(
    "custody",
    metadata,
    identifier("child"),
    identifier("holder"),
    moment("valid_from"),
    moment("valid_to", optional=True),
    PrimaryKeyConstraint("child", "holder", "valid_from"),
    Index(None, "holder"),
    finite("valid_from", "valid_to"),
)
custody_fact = Table(  # what was told, in whatever order; `custody` is what follows from it
    "custody_fact",
    metadata,
    identifier("child"),
    moment("at"),
    Column("holders", ARRAY(Uuid), nullable=False),
    PrimaryKeyConstraint("child", "at"),
    finite("at"),
)
life_fact = Table(  # every fact that a source reported, by what names its event: what a correction corrects
    "life_fact",
    metadata,
    word("source"),
    word("event_id"),
    word("type"),
    identifier("borger_id"),
    moment("at"),
    word("unit", optional=True),
    word("case_reference", optional=True),
    Column("custody_holders", ARRAY(Uuid)),
    word("corrected_by", optional=True),  # the id of the event that took its place
    PrimaryKeyConstraint("source", "event_id"),
    finite("at"),
    Index(None, "borger_id"),
)
case_fact = Table(
    "case_fact",
    metadata,
    identifier("borger_id"),
    word("unit"),
    word("case_reference"),
    moment("opened_at", optional=True),
    moment("closed_at", optional=True),
    PrimaryKeyConstraint("borger_id", "unit", "case_reference"),
    finite("opened_at", "closed_at"),
)
catalogue_entry = Table(
    "catalogue_entry",
    metadata,
    word("kind"),
    word("code"),
    Column("version", Integer, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    Column("body", JSONB, nullable=False),
    # Who made the version, and whether an administrator set its end: files never overwrite either.
    Column("origin", Text, nullable=False, server_default=text("'file'")),
    Column("ended", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("kind", "code", "version"),
    finite("valid_from", "valid_to"),
)
catalogue_revision = Table(
    "catalogue_revision",
    metadata,
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)
