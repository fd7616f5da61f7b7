"""SQL for doorbells: claiming those that are due, and recording what came of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text, update

from libs.common.database.database import WriteSession
from libs.common.running.sweep import Readable, readable
from services.advis.notifications.doorbell import DoorbellState, Verdict, after
from services.advis.notifications.notification import Notification
from services.advis.notifications.store import notification_from
from services.advis.notifications.tables import doorbell, notification_row

_HANG = """
INSERT INTO doorbell (doorbell_id, notification_id, recipient_unit, state, attempts, next_attempt_at)
SELECT d, n, u, $5, 0, $4 FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS x (d, n, u) ORDER BY n
ON CONFLICT (notification_id) DO NOTHING
"""
_d = doorbell.c
_CLAIMED = (_d.doorbell_id, _d.attempts, _d.first_rung_at, *notification_row.c)
_CLAIM = text(f"""
WITH unit AS (
  SELECT DISTINCT recipient_unit FROM doorbell WHERE state = 'due'
), mine AS (
  SELECT one.doorbell_id FROM unit
  LEFT JOIN unnest(CAST(:units AS text[]), CAST(:left AS int[])) AS room (recipient_unit, remaining)
    USING (recipient_unit)
  CROSS JOIN LATERAL (
    SELECT doorbell_id, next_attempt_at FROM doorbell d
    WHERE d.recipient_unit = unit.recipient_unit AND d.state = 'due' AND d.next_attempt_at <= clock_timestamp()
    ORDER BY d.next_attempt_at LIMIT coalesce(room.remaining, CAST(:each AS int)) FOR UPDATE SKIP LOCKED
  ) AS one
  ORDER BY one.next_attempt_at LIMIT CAST(:all AS int)
)
UPDATE doorbell d
SET next_attempt_at = clock_timestamp() + CAST(:claim AS interval),
  first_rung_at = coalesce(d.first_rung_at, clock_timestamp())
FROM mine, notification n
WHERE d.doorbell_id = mine.doorbell_id AND n.notification_id = d.notification_id
RETURNING {", ".join(f"{'d' if one.table is doorbell else 'n'}.{one.name}" for one in _CLAIMED)}
""").columns(*_CLAIMED)  # noqa: S608 - of our own columns' names


@dataclass(frozen=True, slots=True)
class Room:
    """How many doorbells may be taken: of all units together, of each, and of those in `left` only so many."""

    of_all: int
    of_each: int
    left: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A doorbell that this worker may try to ring now. `attempts` counts those that have ended."""

    doorbell_id: UUID
    recipient_unit: str
    attempts: int
    first_rung_at: datetime
    notification: Notification


async def hang(session: WriteSession, bells: Iterable[tuple[UUID, UUID, str]], now: datetime) -> None:
    """Make doorbells, due at once: (doorbell id, notification id, recipient unit)."""
    rows = list(bells)
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await session.exec_driver_sql(_HANG, (*columns, now, DoorbellState.DUE.value))


async def claim(session: WriteSession, room: Room, *, claim_s: float) -> Readable[Claimed]:
    """Take due doorbells, as many as there is room for; nobody else gets them for `claim_s`, then a crash is forgotten.

    Each unit's own are looked for: however many of one wait, they hide nobody else's.
    """
    left = {"units": list(room.left), "left": list(room.left.values())}
    bounds = {"each": room.of_each, "all": room.of_all, "claim": timedelta(seconds=claim_s)}
    return readable(await session.execute(_CLAIM, left | bounds), _claimed, name="doorbells")


def _claimed(row: Any) -> Claimed:
    notification = notification_from(row)
    return Claimed(row.doorbell_id, notification.recipient_unit, row.attempts, row.first_rung_at, notification)


async def save_verdict(session: WriteSession, bell: Claimed, verdict: Verdict, *, attempts: int) -> None:
    """Record what came of an attempt, unless the doorbell was cancelled meanwhile."""
    change = update(doorbell).where(_d.doorbell_id == bell.doorbell_id, _d.state == DoorbellState.DUE)
    values: dict[str, Any] = {"state": after(DoorbellState.DUE, verdict.act).value, "attempts": attempts}
    if verdict.next_attempt_at is not None:
        values["next_attempt_at"] = verdict.next_attempt_at
    await session.execute(change.values(**values))


async def close_due(session: WriteSession, notification_ids: Collection[UUID], state: DoorbellState) -> None:
    """Move every doorbell of these notifications that is still due to the state that the transitions table gave."""
    waiting = update(doorbell).where(_d.notification_id.in_(notification_ids), _d.state == DoorbellState.DUE)
    await session.execute(waiting.values(state=state.value))
