"""The tables of the advis database: the only source of truth for the migration.

No row says why anything was refused, and none holds a CPR number, a name or free text (P2, P10).
Subscriptions and endpoints are reference data read from files, not tables: nothing here may change them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from libs.common.alarms import ALARM_GRANTS, alarm_tables
from libs.common.inbox import INBOX_GRANTS, PARKED_GRANTS, inbox_tables, parked_tables
from libs.common.outbox import OUTBOX_GRANTS, outbox_tables
from libs.common.reported import REPORTED_GRANTS, reported_tables
from services.advis.domain import delivery, notification

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


def _one_of(column: str, states: type[notification.State] | type[delivery.State]) -> CheckConstraint:
    words = ", ".join(f"'{state}'" for state in states)
    return CheckConstraint(f"{column} IN ({words})", name=column)


case_registry = Table(
    "case_registry",
    metadata,
    Column("unit", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("borger_id", Uuid, nullable=False),
    Column("caseworker", Text),
    _moment("opened_at"),
    _moment("closed_at", optional=True),
    _moment("as_of"),
    PrimaryKeyConstraint("unit", "case_reference"),
    _finite("opened_at", "closed_at", "as_of"),
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
    _moment("at"),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    PrimaryKeyConstraint("source", "event_id"),
    _finite("at"),
    Index(None, "unit", "case_reference"),
)

notification_row = Table(
    "notification",
    metadata,
    Column("notification_id", Uuid, primary_key=True),
    Column("decision_id", Uuid, nullable=False),  # random: the id of the audit entry that records its creation
    Column("event_source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("category", Text),
    _moment("occurred_at"),
    _moment("arrived_at"),
    Column("holder_unit", Text, nullable=False),
    Column("recipient_unit", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("reveals", JSONB, nullable=False),  # [{borger_id, category, epoch}, …] as the opening said
    Column("persons", ARRAY(Uuid), nullable=False),  # the same persons, so that a scope's notifications are found
    Column("state", Text, nullable=False),
    _moment("changed_at"),
    Column("correlation_id", Text),
    Column("corrects", Uuid),  # the notification whose place this one took, cancelled with it (R18)
    Column("annulled", Boolean, nullable=False, server_default=text("false")),
    # P3: one advis per event, recipient, purpose and subject. An event is known by its source and id together.
    UniqueConstraint("event_source", "event_id", "recipient_unit", "purpose", "subject"),
    _one_of("state", notification.State),
    _finite("occurred_at"),
    Index("notification_case_ix", "recipient_unit", "case_reference", postgresql_where=text("state <> 'cancelled'")),
    Index("notification_persons_ix", "persons", postgresql_using="gin", postgresql_where=text("state <> 'cancelled'")),
    Index("notification_ended_ix", "changed_at", postgresql_where=text("state IN ('handled', 'cancelled')")),
    Index("notification_arrived_ix", "arrived_at"),
)

doorbell = Table(
    "doorbell",
    metadata,
    Column("doorbell_id", Uuid, primary_key=True),  # random; the webhook-id of every attempt
    Column("notification_id", Uuid, ForeignKey("notification.notification_id", ondelete="CASCADE"), nullable=False),
    Column("recipient_unit", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    _moment("next_attempt_at"),
    _moment("first_rung_at", optional=True),
    UniqueConstraint("notification_id"),
    _one_of("state", delivery.State),
    Index("doorbell_due_ix", "recipient_unit", "next_attempt_at", postgresql_where=text("state = 'due'")),
)

ingested = Table(
    "ingested",
    metadata,
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    _moment("received_at"),
    PrimaryKeyConstraint("source", "event_id"),
    Index(None, "received_at"),
)

# A look-up that found nothing, and how often it was repeated since: told in one entry when the window has ended.
reading = Table(
    "reading",
    metadata,
    Column("actor", Text, nullable=False),
    Column("actor_role", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("criterion", Text, nullable=False),  # [[name, value], …] as JSON: codes, never a person
    Column("count", Integer, nullable=False),
    _moment("opened_at"),
    _moment("first_at", optional=True),
    _moment("last_at", optional=True),
    PrimaryKeyConstraint("actor", "actor_role", "unit", "criterion"),
    Index(None, "opened_at"),
)

outbox_tables(metadata)
inbox_tables(metadata)
parked_tables(metadata)
reported_tables(metadata)
alarm_tables(metadata)

GRANTS = {
    "case_registry": "SELECT, INSERT, UPDATE",
    "case_step": "SELECT, INSERT, DELETE",
    "notification": "SELECT, INSERT, UPDATE, DELETE",
    "doorbell": "SELECT, INSERT, UPDATE, DELETE",
    "ingested": "SELECT, INSERT, DELETE",
    "reading": "SELECT, INSERT, UPDATE, DELETE",
    **OUTBOX_GRANTS,
    **INBOX_GRANTS,
    **PARKED_GRANTS,
    **REPORTED_GRANTS,
    **ALARM_GRANTS,
}
