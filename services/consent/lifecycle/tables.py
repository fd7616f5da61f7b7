"""Facts of life that sources reported."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.database.tables import finite, identifier, moment, word
from services.consent.model.tables import metadata

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
