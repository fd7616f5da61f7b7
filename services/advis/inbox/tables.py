"""Look-ups that found nothing, counted."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from libs.common.database.tables import moment
from services.advis.model.tables import metadata

# A look-up that found nothing, and how often it was repeated since: told in one entry when the window has ended.
reading = Table(
    "reading",
    metadata,
    Column("actor", Text, nullable=False),
    Column("actor_role", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("criterion", Text, nullable=False),  # [[name, value], …] as JSON: codes, never a person
    Column("count", Integer, nullable=False),
    moment("opened_at"),
    moment("first_at", optional=True),
    moment("last_at", optional=True),
    PrimaryKeyConstraint("actor", "actor_role", "unit", "criterion"),
    Index(None, "opened_at"),
)
