"""Restrictions."""

from sqlalchemy import Column, Index, Table, Uuid

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

restriction = Table(
    "restriction",
    metadata,
    Column("restriction_id", Uuid, primary_key=True),
    identifier("borger_id"),
    identifier("consent_id", optional=True),  # null: everything about the person
    word("ground"),
    moment("recorded_at"),
    word("recorded_by"),  # `citizen` or `dpo`
    moment("announced_at", optional=True),  # when the citizen was told that it will be lifted
    moment("lifted_at", optional=True),
    word("lifted_by", optional=True),
    Index(None, "borger_id"),
)
