"""What waits for too long is seen: drains, permits past their lease, holders ordered and not confirmed dead."""

from libs.common.observing import metrics
from libs.common.running.alarms import AlarmCode
from libs.common.running.operations import Beyond
from services.consent.drains import drain
from services.consent.drains.watch import observe_fence
from tests.consent.world.fence_world import LIMITS, World


async def seen(world: World) -> list[Beyond]:
    async with world.database.read() as session:
        return list(await observe_fence(session))


async def test_a_withdrawal_that_waits_for_a_hung_holder_is_three_alarms_until_it_is_over(world: World):
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    assert await world.acquire(holder_id, item)
    await world.withdraw(consent)
    assert await seen(world) == []
    await world.age(item.permit_id, seconds=3600)
    await world.execute("UPDATE withdrawal SET registered_at = registered_at - interval '2 minutes'")
    await drain.sweep(world.database, LIMITS)
    expected = [Beyond(AlarmCode.DRAIN_OVERDUE), Beyond(AlarmCode.PERMIT_PAST_LEASE)]
    assert await seen(world) == [*expected, Beyond(AlarmCode.HOLDER_ORDERED, "up-advis/api")]
    figures = (metrics.DRAINS_OVERDUE, metrics.PERMITS_PAST_LEASE, metrics.HOLDERS_ORDERED)
    assert [figure._value.get() for figure in figures] == [1, 1, 1]
    await world.die(holder_id)
    await drain.sweep(world.database, LIMITS)
    assert await seen(world) == []
    assert [figure._value.get() for figure in figures] == [0, 0, 0]
