"""Two transactions at once: the traps that PostgreSQL sets, each interleaving held open (`docs/fence.md`)."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from libs.common.wire.permits import SettleItem
from services.consent.drains import drain
from services.consent.fence import holders, holders_store, permits
from services.consent.fence.permits import HolderDeadError
from services.consent.model.scope import ScopeKey
from services.consent.scopes import store as scopes_store
from services.consent.withdrawals import commands as withdrawals_commands
from tests.consent.world.fence_world import LIMITS, PURPOSE, RECIPIENT, World


async def test_an_acquire_that_waited_for_a_withdrawal_sees_what_it_did(world: World) -> None:
    """Locked and read in one statement, it would see the new epoch with the old consent."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    request = world.request(borger_id)
    act = lambda s: withdrawals_commands.withdraw_consent(s, world.signer, request, consent.consent_id)  # noqa: E731
    async with world.uncommitted(act) as withdrawal:
        acquiring = asyncio.create_task(world.acquire(holder_id, item))
        await world.until_waiting(acquiring)
    assert await acquiring == []
    assert await world.drained(withdrawal)


async def test_an_acquire_that_waited_decides_by_the_clock_and_not_by_when_it_began(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    ends = datetime.now(UTC) + timedelta(seconds=1)
    await world.grant(borger_id, valid_until=ends)
    item = await world.item(borger_id)
    async with world.raw() as session, session.transaction():
        await session.execute("SELECT 1 FROM scope WHERE borger_id = $1 FOR UPDATE", borger_id)
        acquiring = asyncio.create_task(world.acquire(holder_id, item))
        await world.until_waiting(acquiring)
        while await session.fetchval("SELECT clock_timestamp()") < ends:
            await session.execute("SELECT pg_sleep(0.01)")
    assert await acquiring == []


async def test_a_change_that_waited_decides_by_the_clock_so_that_a_gap_is_seen(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    ends = datetime.now(UTC) + timedelta(seconds=1)
    await world.grant(borger_id, valid_until=ends)
    arrived = await world.item(borger_id)
    async with world.raw() as session, session.transaction():
        await session.execute("SELECT 1 FROM scope WHERE borger_id = $1 FOR UPDATE", borger_id)
        renewing = asyncio.create_task(world.grant(borger_id))
        await world.until_waiting(renewing)
        while await session.fetchval("SELECT clock_timestamp()") < ends:
            await session.execute("SELECT pg_sleep(0.01)")
    renewed = await renewing
    assert renewed.given_at is not None
    assert renewed.given_at >= ends
    assert await world.acquire(holder_id, arrived) == []


async def test_a_withdrawal_that_waited_for_an_acquire_drains_its_permit(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    async with world.uncommitted(lambda s: permits.acquire(s, holder_id, [item], longest_ms=5_000)) as granted:
        assert len(granted) == 1
        withdrawing = asyncio.create_task(world.withdraw(consent))
        await world.until_waiting(withdrawing)
    withdrawal = await withdrawing
    assert not await world.drained(withdrawal)
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(withdrawal)


async def test_a_death_waits_for_an_acquire_on_its_way_and_ends_its_permit(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    async with world.uncommitted(lambda s: permits.acquire(s, holder_id, [item], longest_ms=5_000)):
        dying = asyncio.create_task(world.die(holder_id))
        await world.until_waiting(dying)
    await dying
    assert await world.state(item.permit_id) == "dead"
    assert await world.drained(await world.withdraw(consent))


async def test_an_acquire_that_waited_for_its_holders_death_gets_nothing(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    death = lambda s: holders.confirm_death(  # noqa: E731
        s, holder_id, supervisor="up-advis", actor="up-advis", proof="reaped"
    )
    async with world.uncommitted(death):
        acquiring = asyncio.create_task(world.acquire(holder_id, item))
        await world.until_waiting(acquiring)
    with pytest.raises(HolderDeadError):
        await acquiring
    assert await world.state(item.permit_id) is None


async def test_ordering_a_fence_does_not_wait_for_the_holders_acquires(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    async with world.uncommitted(lambda s: permits.acquire(s, holder_id, [item], longest_ms=5_000)):
        ordered = await world.write(lambda s: holders_store.order_fence(s, [holder_id], reason="test"))
    assert [ordered_id for ordered_id, _ in ordered] == [holder_id]


async def test_a_settle_that_overtakes_its_acquire_leaves_nothing_in_flight(world: World) -> None:
    """It waits for the acquire's row; the scopes that the acquire wrote are seen by its next statement only."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    async with world.uncommitted(lambda s: permits.acquire(s, holder_id, [item], longest_ms=5_000)):
        settling = asyncio.create_task(world.settle(holder_id, item.permit_id, outcome="not_sent"))
        await world.until_waiting(settling)
    await settling
    assert await world.state(item.permit_id) == "settled"
    assert await world.value("SELECT count(*) FROM permit_scope") == 0
    assert await world.value("SELECT not_sent FROM use_log") == 1
    assert await world.drained(await world.withdraw(consent))


async def test_an_acquire_that_overtakes_its_settle_is_refused(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    tombstone = [SettleItem(permit_id=item.permit_id, outcome="not_sent")]
    async with world.uncommitted(lambda s: permits.settle(s, holder_id, tombstone)):
        acquiring = asyncio.create_task(world.acquire(holder_id, item))
        await world.until_waiting(acquiring)
    assert await acquiring == []
    assert await world.value("SELECT count(*) FROM permit_scope") == 0
    assert await world.value("SELECT count(*) FROM use_log") == 0


async def test_the_same_acquire_delivered_twice_at_once_is_granted_once(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    first, second = await asyncio.gather(world.acquire(holder_id, item), world.acquire(holder_id, item))
    assert [len(first), len(second)] == [1, 1]
    assert await world.value("SELECT count FROM use_log") == 1


async def test_the_same_withdrawal_delivered_twice_at_once_is_registered_once(world: World) -> None:
    borger_id = await world.citizen()
    consent = await world.grant(borger_id)
    first, second = await asyncio.gather(world.withdraw(consent), world.withdraw(consent))
    assert first == second
    assert await world.entries("consent.withdrawn") == 1


async def test_the_same_refusal_delivered_twice_at_once_is_recorded_once(world: World) -> None:
    borger_id = await world.citizen()
    first, second = await asyncio.gather(world.refuse(borger_id), world.refuse(borger_id))
    assert first == second
    assert await world.value("SELECT count(*) FROM refusal") == 1


async def test_batches_in_opposite_orders_do_not_deadlock(world: World) -> None:
    holder_id = await world.holder()
    people = [await world.citizen() for _ in range(6)]
    for borger_id in people:
        await world.grant(borger_id)
    items = [await world.item(borger_id) for borger_id in people]

    async def work(step: int) -> None:
        for _ in range(5):
            batch = [item.model_copy(update={"permit_id": uuid4()}) for item in items[::step]]
            assert len(await world.acquire(holder_id, *batch)) == len(people)
            await world.settle(holder_id, *(item.permit_id for item in batch[::step]), outcome="unknown")

    await asyncio.gather(*(work(step) for step in (1, -1, 1, -1)))


async def test_scopes_are_locked_in_key_order_whatever_the_order_asked_for(world: World) -> None:
    """It waits for the second key, so it must hold the first one already."""
    low, high = sorted([await world.citizen(), await world.citizen()])
    for borger_id in (low, high):
        await world.grant(borger_id)
    keys = [ScopeKey(borger_id, PURPOSE, RECIPIENT) for borger_id in (high, low)]
    row = "SELECT 1 FROM scope WHERE borger_id = $1 FOR UPDATE"
    async with world.raw() as session, session.transaction():
        await session.execute(row, high)
        locking = asyncio.create_task(world.write(lambda s: scopes_store.lock(s, keys)))
        await world.until_waiting(locking)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await world.execute(f"{row} NOWAIT", low)
    assert await locking == set(keys)


async def test_a_drain_holds_no_connection_while_it_waits(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    await world.acquire(holder_id, await world.item(borger_id))
    withdrawal = await world.withdraw(consent)
    draining = [asyncio.create_task(drain.drain(world.database, withdrawal, LIMITS)) for _ in range(40)]
    await world.grant(await world.citizen())
    assert not any(await asyncio.gather(*draining))
