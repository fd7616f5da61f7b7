"""SQL for the figures of the fence that an operator must see: what waits for longer than it should."""

from dataclasses import dataclass

from libs.common.database.database import ReadSession, driver

_DRAINS = (
    "SELECT count(*) FROM withdrawal WHERE drained_at IS NULL AND registered_at < now() - make_interval(secs => $1)"
)
# Only an open permit has rows here, so few are looked at.
_PERMITS = """
SELECT count(DISTINCT s.permit_id) FROM permit_scope s JOIN permit p USING (permit_id)
WHERE p.state = 'open' AND p.lease_until < now() - make_interval(secs => $1)
"""
_ORDERED = """
SELECT o.slot FROM fence_order o JOIN holder h USING (holder_id) WHERE h.died_at IS NULL ORDER BY o.slot
"""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Withdrawals not drained, open permits past their lease, and the slots of holders ordered and not confirmed."""

    drains: int
    permits: int
    ordered_slots: tuple[str, ...]


async def overdue(session: ReadSession, *, drain_s: float, lease_s: float) -> Overdue:
    """What has waited for more than `drain_s` after a withdrawal, or `lease_s` after the end of a lease."""
    ordered = await driver(session).fetch(_ORDERED)
    return Overdue(
        await driver(session).fetchval(_DRAINS, drain_s),
        await driver(session).fetchval(_PERMITS, lease_s),
        tuple(row["slot"] for row in ordered),
    )
