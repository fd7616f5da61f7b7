"""The registry of cases, and the events that were ingested."""

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid, text

from libs.common.database.tables import finite, moment
from services.advis.model.tables import metadata

case_registry = Table(
    "case_registry",
    metadata,
    Column("unit", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("borger_id", Uuid, nullable=False),
    Column("caseworker", Text),
    moment("opened_at"),
    moment("closed_at", optional=True),
    moment("as_of"),
    PrimaryKeyConstraint("unit", "case_reference"),
    finite("opened_at", "closed_at", "as_of"),
    Index(None, "borger_id", postgresql_where=text("closed_at IS NULL")),
    Index(None, "unit", "caseworker", postgresql_where=text("closed_at IS NULL")),
)


# What stands of a case, by the event that reported it: the case is drawn from these. `place`: the order of reporting.
case_step = Table(
    "case_step",
    metadata,
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("caseworker", Text),
    moment("at"),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    PrimaryKeyConstraint("source", "event_id"),
    finite("at"),
    Index(None, "unit", "case_reference"),
)


ingested = Table(
    "ingested",
    metadata,
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    moment("received_at"),
    PrimaryKeyConstraint("source", "event_id"),
    Index(None, "received_at"),
)
