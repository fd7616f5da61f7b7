"""What must be heard, written in the transaction that makes it true; published by the relay alone.

Rules: one row per record and a lane per row. Lanes 0–15 carry `audit.entries`, by
person, so that (producer, generation, lane, number) is gap-free; lanes 16–31 carry everything else, by key. A
business transaction touches no counter: the relay gives the numbers. Within a lane the order is that of `id`, which
is the order of commit for whatever the same row lock protects.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)

from libs.common.bus.cloudevents import CloudEvent, to_headers
from libs.common.bus.port import OutgoingRecord, pack_headers
from libs.common.database.database import Bell, WriteSession, driver
from libs.common.wire.messages import AUDIT_ENTRIES, LANES, AuditEntry, without_personal_numbers

__all__ = ["Bell", "Message", "append", "audit_message", "outbox_tables", "raise_generation"]

ALL_LANES = 2 * LANES
# What the runtime role needs; DELETE is for dropping sent rows after the replay horizon.
OUTBOX_GRANTS = {"outbox": "SELECT, INSERT, UPDATE, DELETE", "outbox_lane": "SELECT, INSERT, UPDATE"}
ENSURE_LANES = "INSERT INTO outbox_lane (lane) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING"

_APPEND = (
    "INSERT INTO outbox (topic, key, lane, event_id, type, headers, payload)"
    " SELECT topic, key, lane, event_id, type, headers, payload FROM unnest("
    "$1::text[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::bytea[], $7::bytea[])"
    " WITH ORDINALITY AS r (topic, key, lane, event_id, type, headers, payload, n) ORDER BY n"
)


@dataclass(frozen=True)
class Message:
    """An event for a topic. `key` decides the partition, and so what it is in order with."""

    topic: str
    key: str
    event: CloudEvent


def outbox_tables(metadata: MetaData) -> None:
    """Add `outbox` and `outbox_lane` to a service's metadata."""
    outbox = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("lane", SmallInteger, nullable=False),
        Column("event_id", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("headers", LargeBinary, nullable=False),  # libs.common.bus.port.pack_headers
        Column("payload", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("generation", BigInteger),
        Column("number", BigInteger),
        Column("refused", Text),  # why the bus will never take it: it is set aside, and the lane goes on
    )
    Index("outbox_refused", outbox.c.id, postgresql_where=text("refused IS NOT NULL"))
    Index("outbox_unnumbered", outbox.c.id, postgresql_where=text("number IS NULL"))
    Index("outbox_numbered", outbox.c.lane, outbox.c.generation, outbox.c.number, unique=True)
    Table(
        "outbox_lane",
        metadata,
        Column("lane", SmallInteger, primary_key=True, autoincrement=False),
        Column("generation", BigInteger, nullable=False, server_default=text("1")),
        Column("numbered", BigInteger, nullable=False, server_default=text("0")),
        Column("sent", BigInteger, nullable=False, server_default=text("0")),
    )


async def append(session: WriteSession, messages: Sequence[Message | OutgoingRecord]) -> None:
    """Put `messages` in the outbox, in order, in the caller's transaction. Ring the bell after its commit."""
    if messages:
        rows = [_row(_record(message)) for message in messages]
        await driver(session).execute(_APPEND, *(list(column) for column in zip(*rows, strict=True)))


def audit_message(producer: str, entry: AuditEntry) -> Message:
    """`entry` for `audit.entries`, in the lane of the person it is about, or of its own id where it is about none."""
    entry = without_personal_numbers(entry)
    lane = zlib.crc32(str(entry.subject or entry.id).encode()) % LANES
    event = CloudEvent(
        id=str(entry.id),
        source=f"urn:samtykkebro:{producer}",
        type=entry.type,
        time=entry.occurred_at,
        data=entry.model_dump_json(exclude_none=True).encode(),
        correlationid=entry.correlation_id,
    )
    return Message(AUDIT_ENTRIES, f"{producer}/{lane}", event)


async def raise_generation(session: WriteSession, above: int = 0) -> tuple[int, int]:
    """Start numbering anew after a restore that may have lost commits; (old, new) generation. Stop the relays first.

    What was numbered and not marked as sent is numbered again: the audit service sees a new generation, not a gap.
    The new generation is one more than the old, and than `above`.
    """
    await driver(session).execute(ENSURE_LANES, ALL_LANES)
    await session.exec_driver_sql(
        "UPDATE outbox o SET number = NULL, generation = NULL FROM outbox_lane l"
        " WHERE o.lane = l.lane AND o.generation = l.generation AND o.number > l.sent"
    )
    old = int(await driver(session).fetchval("SELECT max(generation) FROM outbox_lane"))
    new = max(old, above) + 1
    await driver(session).execute("UPDATE outbox_lane SET generation = $1, numbered = 0, sent = 0", new)
    return old, new


def _record(message: Message | OutgoingRecord) -> OutgoingRecord:
    if isinstance(message, OutgoingRecord):
        return message
    return OutgoingRecord(message.topic, message.key, to_headers(message.event), message.event.data)


def _row(record: OutgoingRecord) -> tuple[str, str, int, str, str, bytes, bytes]:
    headers = {name: value.decode() for name, value in record.headers if value and name in {"ce_id", "ce_type"}}
    names = headers.get("ce_id", ""), headers.get("ce_type", "")
    return record.topic, record.key, _lane(record), *names, pack_headers(record.headers), record.value


def _lane(record: OutgoingRecord) -> int:
    if record.topic == AUDIT_ENTRIES:
        return int(record.key.rpartition("/")[2])
    return LANES + zlib.crc32(record.key.encode()) % LANES
