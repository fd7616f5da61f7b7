"""The figures of the fence, and the alarms that they raise."""

from collections.abc import Sequence

from libs.common.database.database import ReadSession
from libs.common.observing import metrics
from libs.common.running.alarms import AlarmCode
from libs.common.running.operations import Beyond
from services.consent.drains import watch_store

DRAIN_OVERDUE_S = 60.0  # a withdrawal is drained in seconds, or a holder hangs that nobody kills
PERMIT_OVERDUE_S = 60.0  # after the end of its lease: its settle was lost, or its holder is


async def observe_fence(session: ReadSession) -> Sequence[Beyond]:
    """Drains, permits and orders that last for too long."""
    found = await watch_store.overdue(session, drain_s=DRAIN_OVERDUE_S, lease_s=PERMIT_OVERDUE_S)
    metrics.DRAINS_OVERDUE.set(found.drains)
    metrics.PERMITS_PAST_LEASE.set(found.permits)
    metrics.HOLDERS_ORDERED.set(len(found.ordered_slots))
    return [
        *([Beyond(AlarmCode.DRAIN_OVERDUE)] if found.drains else []),
        *([Beyond(AlarmCode.PERMIT_PAST_LEASE)] if found.permits else []),
        *(Beyond(AlarmCode.HOLDER_ORDERED, slot) for slot in found.ordered_slots),
    ]
