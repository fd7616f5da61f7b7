"""Notifications and doorbells."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from libs.common.database.tables import finite, moment
from services.advis.model.tables import metadata
from services.advis.notifications import doorbell as notifications_doorbell
from services.advis.notifications import notification


def _one_of(
    column: str, states: type[notification.State] | type[notifications_doorbell.DoorbellState]
) -> CheckConstraint:
    words = ", ".join(f"'{state}'" for state in states)
    return CheckConstraint(f"{column} IN ({words})", name=column)


notification_row = Table(
    "notification",
    metadata,
    Column("notification_id", Uuid, primary_key=True),
    Column("decision_id", Uuid, nullable=False),  # random: the id of the audit entry that records its creation
    Column("event_source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("category", Text),
    moment("occurred_at"),
    moment("arrived_at"),
    Column("holder_unit", Text, nullable=False),
    Column("recipient_unit", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("reveals", JSONB, nullable=False),  # [{borger_id, category, epoch}, …] as the opening said
    Column("persons", ARRAY(Uuid), nullable=False),  # the same persons, so that a scope's notifications are found
    Column("state", Text, nullable=False),
    moment("changed_at"),
    Column("correlation_id", Text),
    Column("corrects", Uuid),  # the notification whose place this one took, cancelled with it (R18)
    Column("annulled", Boolean, nullable=False, server_default=text("false")),
    # P3: one advis per event, recipient, purpose and subject. An event is known by its source and id together.
    UniqueConstraint("event_source", "event_id", "recipient_unit", "purpose", "subject"),
    _one_of("state", notification.State),
    finite("occurred_at"),
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
    moment("next_attempt_at"),
    moment("first_rung_at", optional=True),
    UniqueConstraint("notification_id"),
    _one_of("state", notifications_doorbell.DoorbellState),
    Index("doorbell_due_ix", "recipient_unit", "next_attempt_at", postgresql_where=text("state = 'due'")),
)
