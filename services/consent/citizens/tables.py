"""Citizens, custody, cases and authorities.

CPR numbers are here and nowhere else: `citizen.cpr_lookup` is a keyed hash, `citizen.cpr_ciphertext` is encrypted.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.database.tables import finite, identifier, moment, word
from services.consent.model.tables import metadata

authority = Table(
    "authority",
    metadata,
    Column("authority_id", Uuid, primary_key=True),
    identifier("borger_id"),
    identifier("representative"),
    word("kind"),
    Column("replaces", Boolean, nullable=False),
    Column("purposes", ARRAY(Text)),  # null: every purpose
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    word("evidence"),
    word("recorded_by"),
    word("recorded_unit"),
    moment("recorded_at"),
    word("status"),
    word("confirmed_by", optional=True),
    moment("confirmed_at", optional=True),
    moment("ended_at", optional=True),
    Column("revision", Integer, nullable=False),
    # One authority at a time per pair, so that whoever acts always acts under the same one.
    Index(
        "authority_open_uq",
        *("borger_id", "representative"),
        unique=True,
        postgresql_where=text("status IN ('proposed', 'active')"),
    ),
    Index(None, "representative"),
    Index(None, "recorded_unit", "recorded_at", "authority_id"),
    finite("valid_from", "valid_to"),
)


citizen = Table(
    "citizen",
    metadata,
    Column("borger_id", Uuid, primary_key=True),
    Column("cpr_lookup", LargeBinary, nullable=False),
    word("lookup_key_version"),
    Column("cpr_ciphertext", LargeBinary, nullable=False),
    word("encryption_key_version"),
    Column("birth_date", Date, nullable=False),
    Column("died_on", Date),
    Column("moved_out_on", Date),
    moment("created_at"),
    Column("moved_in_on", Date),
    UniqueConstraint("lookup_key_version", "cpr_lookup"),
    finite("birth_date", "died_on", "moved_out_on", "moved_in_on"),
)


custody = Table(
    "custody",
    metadata,
    identifier("child"),
    identifier("holder"),
    moment("valid_from"),
    moment("valid_to", optional=True),
    PrimaryKeyConstraint("child", "holder", "valid_from"),
    Index(None, "holder"),
    finite("valid_from", "valid_to"),
)


custody_fact = Table(  # what was told, in whatever order; `custody` is what follows from it
    "custody_fact",
    metadata,
    identifier("child"),
    moment("at"),
    Column("holders", ARRAY(Uuid), nullable=False),
    PrimaryKeyConstraint("child", "at"),
    finite("at"),
)


case_fact = Table(
    "case_fact",
    metadata,
    identifier("borger_id"),
    word("unit"),
    word("case_reference"),
    moment("opened_at", optional=True),
    moment("closed_at", optional=True),
    PrimaryKeyConstraint("borger_id", "unit", "case_reference"),
    finite("opened_at", "closed_at"),
)
