"""SQL for what a source may ask: which of its own events were parked, and why. Nothing here knows a person."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from libs.common.case_events import Key
from libs.common.database import Session, WriteSession, driver

_PARK = """
INSERT INTO parked_event (source, event_id, reason, parked_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (source, event_id) DO UPDATE SET reason = excluded.reason, parked_at = excluded.parked_at
"""
_FATES = """
SELECT i.event_id IS NOT NULL AS heard, p.reason, n.event_id IS NOT NULL AS taken
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (source, event_id, place)
LEFT JOIN inbox i USING (source, event_id)
LEFT JOIN parked_event p USING (source, event_id)
LEFT JOIN ingested n USING (source, event_id)
ORDER BY place
"""


class Known(NamedTuple):
    """`heard`: the consumer has handled it; `reason`: it was parked; `taken`: the door has taken it in."""

    heard: bool
    reason: str | None
    taken: bool


async def park(session: WriteSession, key: Key, reason: str, now: datetime) -> None:
    """Remember that this event was parked, and why."""
    await driver(session).execute(_PARK, *key, reason, now)


async def fates(session: Session, keys: Sequence[Key]) -> list[Known]:
    """What is known of each event, in the order asked; one statement, whatever is found."""
    sources, ids = [source for source, _ in keys], [event_id for _, event_id in keys]
    rows = await driver(session).fetch(_FATES, sources, ids)
    return [Known(row["heard"], row["reason"], row["taken"]) for row in rows]
