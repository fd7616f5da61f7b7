"""The catalogue's entries and revisions."""

from sqlalchemy import BigInteger, Boolean, Column, Date, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from libs.common.database.tables import finite, word
from services.consent.model.tables import metadata

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
