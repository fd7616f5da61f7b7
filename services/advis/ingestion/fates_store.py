"""SQL for what a source may ask of its own events. Nothing here knows a person."""

from collections.abc import Sequence

from libs.common.bus.case_events import Key
from libs.common.database.database import Session, driver

_KNOWN = """
SELECT i.event_id IS NOT NULL OR n.event_id IS NOT NULL AS known
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (source, event_id, place)
LEFT JOIN inbox i USING (source, event_id)
LEFT JOIN ingested n USING (source, event_id)
ORDER BY place
"""


async def known(session: Session, keys: Sequence[Key]) -> list[bool]:
    """Whether the door has taken each event in, or the consumer has handled it, in the order asked."""
    columns = [source for source, _ in keys], [event_id for _, event_id in keys]
    return [row["known"] for row in await driver(session).fetch(_KNOWN, *columns)]
