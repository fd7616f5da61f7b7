"""Notices: what a citizen or the data protection officer must be told."""

from sqlalchemy import Column, Index, Table, Uuid, text

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

# Kinds of which an object has one notice only: it is the record of having told.
TOLD_ONCE = ("asked_at_15", "child_involved", "expiring_soon", "of_age_at_18")

notice = Table(
    "notice",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    identifier("borger_id"),
    word("audience"),  # `citizen` or `dpo`
    word("kind"),
    identifier("object_id"),  # the consent, the basis, the restriction: what it is about
    moment("at"),
    moment("seen_at", optional=True),
    Index("notice_citizen_ix", "borger_id", "at", "notice_id", postgresql_where=text("audience = 'citizen'")),
    Index("notice_dpo_ix", "at", "notice_id", postgresql_where=text("audience = 'dpo'")),
    Index(None, "object_id"),
    Index(
        "notice_once_uq",
        *("object_id", "kind"),
        unique=True,
        postgresql_where=text(f"kind IN ({', '.join(repr(kind) for kind in TOLD_ONCE)})"),
    ),
)
