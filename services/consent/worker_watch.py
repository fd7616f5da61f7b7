"""The figures of the fence, and the alarms that they raise."""

from collections.abc import Sequence

from libs.common import metrics
from libs.common.alarms import AlarmCode
from libs.common.database import ReadSession
from libs.common.operations import Beyond
from services.consent import store_watch

DRAIN_OVERDUE_S = 60.0  # a withdrawal is drained in seconds, or a holder hangs that nobody kills
PERMIT_OVERDUE_S = 60.0  # after the end of its lease: its settle was lost, or its holder is


async def observe_fence(session: ReadSession) -> Sequence[Beyond]:
    """Drains, permits and orders that last for too long."""
    found = await store_watch.overdue(session, drain_s=DRAIN_OVERDUE_S, lease_s=PERMIT_OVERDUE_S)
    metrics.DRAINS_OVERDUE.set(found.drains)
    metrics.PERMITS_PAST_LEASE.set(found.permits)
    metrics.HOLDERS_ORDERED.set(len(found.ordered_slots))
    return [
        *([Beyond(AlarmCode.DRAIN_OVERDUE)] if found.drains else []),
        *([Beyond(AlarmCode.PERMIT_PAST_LEASE)] if found.permits else []),
        *(Beyond(AlarmCode.HOLDER_ORDERED, slot) for slot in found.ordered_slots),
    ]
