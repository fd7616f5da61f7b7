"""The use log as the citizen reads it: what, to which unit, for which purpose, when; never by which employee (R25).

A line is all uses of one notification in one way, and stands where its first use puts it: a use that is repeated while
somebody reads on from page to page moves no line, so none is left out. A page reads its own lines and no others.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from libs.common.database.database import Session, driver
from libs.common.database.rows import reader
from libs.common.running.sweep import Readable, readable
from libs.common.wire.values import Moment

UsePlace = tuple[datetime, UUID, str]
"""A line's first use, and what it is the use of: notification and kind."""
USE_PLACE: TypeAdapter[UsePlace] = TypeAdapter(tuple[Moment, UUID, str])

# The first row of a line is found by index; the rest of its rows by the primary key, which begins with the line's own.
_PAGE = """
WITH line AS (
  SELECT u.notification_id, u.kind, u.first_at FROM use_log u
  WHERE u.borger_id = $1 AND ($2::text[] IS NULL OR u.purpose = ANY($2::text[]))
    AND ($3::timestamptz IS NULL OR (u.first_at, u.notification_id, u.kind) < ($3::timestamptz, $4::uuid, $5::text))
    AND NOT EXISTS (
      SELECT 1 FROM use_log e WHERE e.notification_id = u.notification_id AND e.borger_id = $1 AND e.kind = u.kind
        AND (e.first_at, e.actor, e.day) < (u.first_at, u.actor, u.day))
  ORDER BY u.first_at DESC, u.notification_id DESC, u.kind DESC LIMIT $6
)
SELECT line.notification_id, line.kind, a.purpose, a.recipient_unit, a.holder_unit, c.categories, a.event_type,
       a.count, line.first_at, a.last_at, a.outcome
FROM line
CROSS JOIN LATERAL (
  SELECT min(u.purpose) AS purpose, min(u.recipient_unit) AS recipient_unit, min(u.holder_unit) AS holder_unit,
         min(u.event_type) AS event_type, sum(u.count) AS count, max(u.last_at) AS last_at,
         CASE WHEN sum(u.count) > sum(u.not_sent) + sum(u.unknown) THEN 'disclosed'
              WHEN sum(u.unknown) > 0 THEN 'unknown' ELSE 'not_sent' END AS outcome
  FROM use_log u WHERE u.notification_id = line.notification_id AND u.borger_id = $1 AND u.kind = line.kind) a
CROSS JOIN LATERAL (
  SELECT coalesce(array_agg(DISTINCT category ORDER BY category), '{}') AS categories
  FROM use_log u CROSS JOIN unnest(u.categories) AS category
  WHERE u.notification_id = line.notification_id AND u.borger_id = $1 AND u.kind = line.kind) c
ORDER BY line.first_at DESC, line.notification_id DESC, line.kind DESC
"""


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

    def place(self) -> UsePlace:
        """Where it stands in the list."""
        return self.first_at, self.notification_id, self.kind


async def page(
    session: Session, borger_id: UUID, *, purposes: Collection[str] | None, after: UsePlace | None, limit: int
) -> Readable[UseLine]:
    """By first use, newest first. `purposes`: of these only; None: of all."""
    shown = None if purposes is None else sorted(purposes)
    rows = await driver(session).fetch(_PAGE, borger_id, shown, *(after or (None, None, None)), limit)
    return readable(rows, reader(UseLine), name="uses")
