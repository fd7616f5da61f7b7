"""The log of uses."""

from sqlalchemy import Column, Date, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

use_log = Table(
    "use_log",
    metadata,
    identifier("notification_id"),
    identifier("borger_id"),
    word("actor"),
    word("kind"),
    Column("day", Date, nullable=False),  # UTC
    word("purpose"),
    word("recipient_unit"),
    word("holder_unit"),
    Column("categories", ARRAY(Text), nullable=False),
    word("event_type"),
    Column("consent_ids", ARRAY(Uuid), nullable=False),
    Column("count", Integer, nullable=False),
    Column("not_sent", Integer, nullable=False, server_default=text("0")),
    Column("unknown", Integer, nullable=False, server_default=text("0")),
    moment("first_at"),
    moment("last_at"),
    PrimaryKeyConstraint("notification_id", "borger_id", "actor", "kind", "day"),
    Index(None, "borger_id", "first_at", "notification_id", "kind"),
    postgresql_with={"fillfactor": 80},
)
