"""SQL for look-ups that found nothing and are repeated: counted in one row a window, then told in one entry.

The row is written in the look-up's own transaction, so none is off the record (R20): the first of a window is told at
once, the others when the window has ended.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from libs.common.database.database import WriteSession, driver
from services.advis.model.audit import Actor
from services.advis.model.events import InboxRead

_COUNT = """
INSERT INTO reading (actor, actor_role, unit, criterion, count, opened_at) VALUES ($1, $2, $3, $4, 0, $5)
ON CONFLICT (actor, actor_role, unit, criterion) DO UPDATE
SET count = reading.count + 1, first_at = coalesce(reading.first_at, $5), last_at = $5 RETURNING count
"""
# A row that a look-up changes meanwhile has another ctid then, and is taken the next time.
_TAKE_ENDED = """
DELETE FROM reading WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM reading WHERE opened_at < clock_timestamp() - $1::interval ORDER BY opened_at LIMIT $2))
RETURNING actor, actor_role, unit, criterion, count, first_at, last_at
"""


@dataclass(frozen=True, slots=True)
class Repeated:
    """How often somebody repeated a look-up within a window, after the first, and when."""

    actor: Actor
    read: InboxRead
    count: int
    first_at: datetime
    last_at: datetime


async def is_first(session: WriteSession, read: InboxRead, actor: Actor, now: datetime) -> bool:
    """Whether this look-up is the first of its window; another is counted. Locks its row: call it first."""
    criterion = orjson.dumps(read.criterion).decode()
    counted = await driver(session).fetchval(_COUNT, actor.name, actor.role, read.unit, criterion, now)
    return bool(counted == 0)


async def take_ended(session: WriteSession, window: timedelta, limit: int) -> tuple[int, list[Repeated]]:
    """End at most `limit` windows: how many ended, and those in which the look-up was repeated."""
    rows = await driver(session).fetch(_TAKE_ENDED, window, limit)
    return len(rows), [_repeated(row) for row in rows if row["count"]]


def _repeated(row: Any) -> Repeated:
    criterion = tuple((name, value) for name, value in orjson.loads(row["criterion"]))
    read = InboxRead("listed", row["unit"], criterion, found=True)
    return Repeated(Actor(row["actor"], row["actor_role"]), read, row["count"], row["first_at"], row["last_at"])
