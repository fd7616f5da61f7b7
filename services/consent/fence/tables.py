"""The fence's tables (`docs/fence.md`): permits, and the holders they are granted to.

No foreign key where a disclosure writes: what protects these rows is the order of locks, not the referenced row.
`permit_scope` holds the scopes of *open* permits only, so that a drain reads what is in flight and nothing else.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.database.tables import identifier, moment, word
from services.consent.model.tables import metadata

holder = Table(
    "holder",
    metadata,
    Column("holder_id", Uuid, primary_key=True),
    word("slot"),
    word("supervisor"),
    Column("token_sha256", LargeBinary, nullable=False),
    moment("registered_at"),
    moment("died_at", optional=True),
    word("death_proof", optional=True),
    word("confirmed_by", optional=True),
    Index("holder_living_ix", "slot", postgresql_where=text("died_at IS NULL")),
)
# One key for what was granted and what was settled before it was known (a tombstone has no notification).
permit = Table(
    "permit",
    metadata,
    Column("permit_id", Uuid, primary_key=True),
    identifier("holder_id"),
    word("state"),
    identifier("notification_id", optional=True),
    word("actor", optional=True),
    word("kind", optional=True),
    Column("request_sha256", LargeBinary),
    Column("consent_ids", ARRAY(Uuid)),
    moment("acquired_at", optional=True),
    moment("lease_until", optional=True),
    moment("ended_at", optional=True),
    word("outcome", optional=True),
    postgresql_with={"fillfactor": 60},  # a settle writes the row again, on the same page
)
permit_scope = Table(
    "permit_scope",
    metadata,
    identifier("permit_id"),
    identifier("borger_id"),
    identifier("holder_id"),
    word("purpose"),
    word("recipient_unit"),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("permit_id", "borger_id"),
    Index(None, "borger_id", "purpose", "recipient_unit"),
)
