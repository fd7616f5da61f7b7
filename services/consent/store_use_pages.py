"""The use log as the citizen reads it: what, to which unit, for which purpose, when; never by which employee (R25)."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.common.database import Session

_PAGE = """
SELECT notification_id, kind, purpose, recipient_unit, holder_unit, categories, event_type,
       sum(count) AS count, min(first_at) AS first_at, max(last_at) AS last_at,
       CASE WHEN sum(count) > sum(not_sent) + sum(unknown) THEN 'disclosed'
            WHEN sum(unknown) > 0 THEN 'unknown' ELSE 'not_sent' END AS outcome
FROM use_log WHERE borger_id = $1
GROUP BY notification_id, kind, purpose, recipient_unit, holder_unit, categories, event_type
HAVING $2::timestamptz IS NULL OR (max(last_at), notification_id, kind) < ($2::timestamptz, $3::uuid, $4::text)
ORDER BY max(last_at) DESC, notification_id DESC, kind DESC LIMIT $5
"""


class UseAfter(NamedTuple):
    """The last line of the page before."""

    last_at: datetime
    notification_id: UUID
    kind: str


@dataclass(frozen=True, slots=True)
class UseLine:
    """All uses of one notification in one way. `outcome`: disclosed, unknown (it may have been shown) or not_sent."""

    notification_id: UUID
    kind: str
    purpose: str
    recipient_unit: str
    holder_unit: str
    categories: tuple[str, ...]
    event_type: str
    count: int
    first_at: datetime
    last_at: datetime
    outcome: str


async def page(session: Session, borger_id: UUID, after: UseAfter | None, limit: int) -> tuple[UseLine, ...]:
    """Newest first."""
    start = (None, None, None) if after is None else tuple(after)
    rows = await session.exec_driver_sql(_PAGE, (borger_id, *start, limit))
    return tuple(UseLine(**{**row._mapping, "categories": tuple(row.categories)}) for row in rows)  # noqa: SLF001
