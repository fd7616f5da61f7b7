"""What a consumer has already handled, and how far it has come: in the transaction that does the work.

Rules (docs/adr/0003): an event counts once per (source, id). A position moves by compare-and-set, which fences a
consumer that lost its partition without knowing; it lives here and not on the bus, so that a database restored
from a backup reads again what it missed. Why a case event was parked is kept for its source, which may ask.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, Table, Text, func

from libs.common.bus.port import BusUnavailableError, NotYetError
from libs.common.database.database import Session, WriteSession, driver, is_away

# What the runtime role needs; DELETE is for dropping keys older than the bus's retention.
INBOX_GRANTS = {"inbox": "SELECT, INSERT, DELETE", "bus_position": "SELECT, INSERT, UPDATE"}
PARKED_GRANTS = {"parked_event": "SELECT, INSERT, UPDATE, DELETE"}

_FIRST_SEEN = (
    "INSERT INTO inbox (source, event_id) SELECT * FROM unnest($1::text[], $2::text[]) AS k (source, event_id)"
    " ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING source, event_id"
)
_BEGIN = "INSERT INTO bus_position (topic, partition, next_offset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_ADVANCE = "UPDATE bus_position SET next_offset = $3 WHERE topic = $1 AND partition = $2 AND next_offset = $4"

_PARK = """
INSERT INTO parked_event (source, event_id, reason, parked_at) VALUES ($1, $2, $3, clock_timestamp())
ON CONFLICT (source, event_id) DO UPDATE SET reason = excluded.reason, parked_at = excluded.parked_at
"""
_STILL_PARKED = """
SELECT CASE WHEN i.event_id IS NULL THEN p.reason END AS reason
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (source, event_id, place)
LEFT JOIN inbox i USING (source, event_id)
LEFT JOIN parked_event p USING (source, event_id)
ORDER BY place
"""


class ZombieError(Exception):
    """The position is not where this consumer left it: another owns the partition now. Drop the batch."""


def inbox_tables(metadata: MetaData) -> None:
    """Add `inbox` and `bus_position` to a service's metadata."""
    inbox = Table(
        "inbox",
        metadata,
        Column("source", Text, primary_key=True),
        Column("event_id", Text, primary_key=True),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    )
    Index("inbox_received_ix", inbox.c.received_at)
    Table(
        "bus_position",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("next_offset", BigInteger, nullable=False),
    )


def parked_tables(metadata: MetaData) -> None:
    """Add `parked_event` to a service's metadata: what a source may learn of an event of its own, as a code."""
    parked = Table(
        "parked_event",
        metadata,
        Column("source", Text, primary_key=True),
        Column("event_id", Text, primary_key=True),
        Column("reason", Text, nullable=False),
        Column("parked_at", DateTime(timezone=True), nullable=False),
    )
    Index("parked_event_ix", parked.c.parked_at)


async def park(session: WriteSession, key: tuple[str, str], reason: str) -> None:
    """Remember that this event was parked, and why."""
    await driver(session).execute(_PARK, *key, reason)


async def still_parked(session: Session, keys: Sequence[tuple[str, str]]) -> list[str | None]:
    """Why each event was parked, in the order asked; None where it was not, or was handled after all."""
    columns = [source for source, _ in keys], [event_id for _, event_id in keys]
    return [row["reason"] for row in await driver(session).fetch(_STILL_PARKED, *columns)]


async def first_seen(session: WriteSession, source: str, event_id: str) -> bool:
    """True exactly once per (source, event_id), counting committed transactions only."""
    return bool(await first_seen_of(session, [(source, event_id)]))


async def first_seen_of(session: WriteSession, keys: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Those of the (source, event_id) `keys` that are new; one statement, locks in key order."""
    unique = sorted(set(keys))
    if not unique:
        return frozenset()
    columns = ([source for source, _ in unique], [event_id for _, event_id in unique])
    rows = await session.exec_driver_sql(_FIRST_SEEN, columns)
    return frozenset((row.source, row.event_id) for row in rows)


async def positions(session: Session, topic: str) -> dict[int, int]:
    """By partition, the next offset to read; a partition never read is missing."""
    query = "SELECT partition, next_offset FROM bus_position WHERE topic = $1"
    rows = await session.exec_driver_sql(query, (topic,))
    return {row.partition: row.next_offset for row in rows}


async def advance(session: WriteSession, topic: str, partition: int, *, expected: int, next_offset: int) -> None:
    """Move the position from `expected` (0 when never read) to `next_offset`. Raises `ZombieError`.

    Locks the row until the transaction ends, so a second consumer of the partition waits here and then fails.
    """
    moved = await session.exec_driver_sql(_ADVANCE, (topic, partition, next_offset, expected))
    if moved.rowcount == 0 and expected == 0:
        moved = await session.exec_driver_sql(_BEGIN, (topic, partition, next_offset))
    if moved.rowcount != 1:
        raise ZombieError(f"{topic}/{partition} is no longer at {expected}")


def is_outage(error: BaseException) -> bool:
    """Whether time alone can help with a record: its turn has not come, or the bus or the database is away."""
    return isinstance(error, NotYetError | ZombieError | BusUnavailableError) or is_away(error)
