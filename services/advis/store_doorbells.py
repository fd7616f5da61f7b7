"""SQL for doorbells: claiming those that are due, and recording what came of them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from libs.common.database import WriteSession
from libs.common.sweep import Readable, readable
from services.advis.domain.delivery import State, Verdict, after
from services.advis.domain.notification import Notification
from services.advis.store_notifications import notification_from
from services.advis.tables import doorbell, notification_row

_HANG = """
INSERT INTO doorbell (doorbell_id, notification_id, recipient_unit, state, attempts, next_attempt_at)
SELECT d, n, u, $5, 0, $4 FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS x (d, n, u) ORDER BY n
ON CONFLICT (notification_id) DO NOTHING
"""
_d = doorbell.c


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
        await session.exec_driver_sql(_HANG, (*columns, now, State.DUE.value))


async def claim(session: WriteSession, *, limit: int, claim_s: float) -> Readable[Claimed]:
    """Take up to `limit` due doorbells; nobody else gets them for `claim_s`, after which a crash is forgotten."""
    due = select(_d.doorbell_id).where(_d.state == State.DUE, _d.next_attempt_at <= func.clock_timestamp())
    mine = due.order_by(_d.next_attempt_at).limit(limit).with_for_update(skip_locked=True).cte("mine")
    claiming = (
        update(doorbell)
        .where(_d.doorbell_id.in_(select(mine.c.doorbell_id)), notification_row.c.notification_id == _d.notification_id)
        .values(
            next_attempt_at=func.clock_timestamp() + timedelta(seconds=claim_s),
            first_rung_at=func.coalesce(_d.first_rung_at, func.clock_timestamp()),
        )
        .returning(_d.doorbell_id, _d.attempts, _d.first_rung_at, *notification_row.c)
    )
    return readable(await session.execute(claiming), _claimed, name="doorbells")


def _claimed(row: Any) -> Claimed:
    notification = notification_from(row)
    return Claimed(row.doorbell_id, notification.recipient_unit, row.attempts, row.first_rung_at, notification)


async def save_verdict(session: WriteSession, bell: Claimed, verdict: Verdict, *, attempts: int) -> None:
    """Record what came of an attempt, unless the doorbell was cancelled meanwhile."""
    change = update(doorbell).where(_d.doorbell_id == bell.doorbell_id, _d.state == State.DUE)
    values: dict[str, Any] = {"state": after(State.DUE, verdict.act).value, "attempts": attempts}
    if verdict.next_attempt_at is not None:
        values["next_attempt_at"] = verdict.next_attempt_at
    await session.execute(change.values(**values))


async def close_due(session: WriteSession, notification_ids: Collection[UUID], state: State) -> None:
    """Move every doorbell of these notifications that is still due to the state that the transitions table gave."""
    waiting = update(doorbell).where(_d.notification_id.in_(notification_ids), _d.state == State.DUE)
    await session.execute(waiting.values(state=state.value))
