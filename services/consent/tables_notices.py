"""The table of notices: what a citizen or the data protection officer must be told."""

from sqlalchemy import Column, Index, Table, Uuid, text

from services.consent.tables_citizen import identifier, metadata, moment, word

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
)
