"""The drain: what a `200` waits for, whom it orders killed, and what it never does (`docs/fence.md`)."""

import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from libs.common.database.database import Database
from libs.common.running.retention import purge
from services.consent.drains import drain
from services.consent.drains import store as drains_store
from services.consent.drains.store import Withdrawal
from services.consent.fence.holders import HolderTakenError, NoSuchHolderError, register
from services.consent.http.idempotency_store import KeyReusedError
from services.consent.model.errors import IllegalTransitionError, NoSuchConsentError
from services.consent.model.scope import ScopeKey
from services.consent.refusals import store as refusals_store
from services.consent.retention import RETENTION
from services.consent.scopes import scopes
from services.consent.settings import Settings
from tests.consent.world.fence_world import LIMITS, PURPOSE, RECIPIENT, World, a_consent


async def _in_flight(world: World) -> tuple[UUID, UUID, UUID, Withdrawal]:
    """A disclosure under way, and the withdrawal that waits for it: citizen, holder, permit, withdrawal."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    assert await world.acquire(holder_id, item)
    return borger_id, holder_id, item.permit_id, await world.withdraw(consent)


async def _orders(world: World) -> int:
    return int(await world.value("SELECT count(*) FROM fence_order"))


async def _drained_at(world: World, withdrawal: Withdrawal) -> datetime | None:
    found: datetime | None = await world.value(
        "SELECT drained_at FROM withdrawal WHERE withdrawal_id = $1", withdrawal.withdrawal_id
    )
    return found


async def test_with_nothing_in_flight_it_is_drained_at_once_and_that_is_written_down(world: World) -> None:
    withdrawal = await world.withdraw(await world.grant(await world.citizen()))
    assert await _drained_at(world, withdrawal) is None
    assert await world.drained(withdrawal)
    assert await _drained_at(world, withdrawal) is not None
    assert await world.entries("withdrawal.drained") == 1


async def test_it_is_written_down_once(world: World) -> None:
    withdrawal = await world.withdraw(await world.grant(await world.citizen()))
    looks = [drain.look(world.database, withdrawal, LIMITS) for _ in range(5)]
    assert all(await asyncio.gather(*looks))
    assert await world.entries("withdrawal.drained") == 1


async def test_an_open_permit_is_waited_for_and_a_settle_ends_the_wait(world: World) -> None:
    _, holder_id, permit_id, withdrawal = await _in_flight(world)
    assert not await world.drained(withdrawal)
    assert await _drained_at(world, withdrawal) is None
    waiting = asyncio.create_task(world.drained(withdrawal, drain.DrainLimits(500, 5_000, 5, 20)))
    await world.settle(holder_id, permit_id)
    assert await waiting


async def test_a_permit_never_ends_by_time(world: World) -> None:
    _, _, permit_id, withdrawal = await _in_flight(world)
    await world.age(permit_id, seconds=3600)
    assert not await world.drained(withdrawal)
    await forget(world.database)
    assert not await world.drained(withdrawal)
    assert await world.state(permit_id) == "open"


async def test_a_holder_within_its_lease_is_not_ordered_fenced(world: World) -> None:
    _, _, permit_id, withdrawal = await _in_flight(world)
    assert not await world.drained(withdrawal)
    await world.age(permit_id, seconds=0.1)
    patient = drain.DrainLimits(margin_ms=60_000, wait_ms=100, poll_ms_min=5, poll_ms_max=20)
    assert not await world.drained(withdrawal, patient)
    assert await _orders(world) == 0


async def test_a_holder_past_its_lease_and_the_margin_is_ordered_fenced_once(world: World) -> None:
    _, holder_id, permit_id, withdrawal = await _in_flight(world)
    await world.age(permit_id, seconds=1)
    assert not await world.drained(withdrawal)
    assert await world.value("SELECT holder_id FROM fence_order") == holder_id
    assert await world.entries("holder.fence_ordered") == 1


async def test_a_confirmed_death_ends_the_wait_and_leaves_the_use_unknown(world: World) -> None:
    _, holder_id, permit_id, withdrawal = await _in_flight(world)
    await world.die(holder_id)
    assert await world.drained(withdrawal)
    assert await world.value("SELECT outcome FROM permit WHERE permit_id = $1", permit_id) == "unknown"
    assert await world.value("SELECT unknown FROM use_log") == 1
    assert (await world.entries("disclosure.unknown"), await world.entries("holder.dead")) == (1, 1)


async def test_a_living_holder_cannot_be_confirmed_dead_by_another_supervisor(world: World) -> None:
    _, holder_id, permit_id, withdrawal = await _in_flight(world)
    for stranger in ("up-audit", "up", "up-advis2", ""):
        with pytest.raises(NoSuchHolderError):
            await world.die(holder_id, supervisor=stranger)
    assert await world.state(permit_id) == "open"
    assert not await world.drained(withdrawal)


async def test_an_operator_may_confirm_any_death_and_the_first_proof_stands(world: World) -> None:
    _, holder_id, _, withdrawal = await _in_flight(world)
    await world.die(holder_id, supervisor=None, proof="operator")
    await world.die(holder_id)
    assert await world.value("SELECT (death_proof, confirmed_by)::text FROM holder") == "(operator,op1)"
    assert await world.entries("holder.dead") == 1
    assert await world.drained(withdrawal)


async def test_nobody_dies_who_was_never_registered(world: World) -> None:
    with pytest.raises(NoSuchHolderError):
        await world.die(uuid4())


async def test_a_holder_id_belongs_to_one_slot_and_to_one_life(world: World) -> None:
    holder_id = await world.holder("up-advis/api")
    await world.write(lambda s: register(s, holder_id, "up-advis/api", "up-advis", secret="n" * 43))
    with pytest.raises(HolderTakenError):
        await world.write(lambda s: register(s, holder_id, "up-advis/b", "up-advis", secret="n" * 43))
    await world.die(holder_id)
    with pytest.raises(HolderTakenError):
        await world.write(lambda s: register(s, holder_id, "up-advis/api", "up-advis", secret="n" * 43))


async def test_a_permit_at_the_new_epoch_is_not_waited_for(world: World) -> None:
    borger_id, holder_id, permit_id, withdrawal = await _in_flight(world)
    await world.grant(borger_id)
    newer = await world.item(borger_id)
    assert await world.acquire(holder_id, newer)
    await world.settle(holder_id, permit_id)
    assert await world.drained(withdrawal)
    assert await world.state(newer.permit_id) == "open"


async def test_a_refusal_waits_as_a_withdrawal_does(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    refusal = await world.refuse(borger_id)
    assert not await world.drained(refusal)
    assert await world.acquire(holder_id, await world.item(borger_id)) == []
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(refusal)


async def test_a_first_refusal_needs_no_scope_to_have_been_there(world: World) -> None:
    borger_id = await world.citizen()
    assert await world.drained(await world.refuse(borger_id))
    await world.grant(borger_id)
    assert await world.acquire(await world.holder(), await world.item(borger_id)) == []


async def test_a_repeated_withdrawal_waits_for_its_own_epoch(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    first = await world.withdraw(consent)
    again = await world.withdraw(consent)
    assert again == first
    assert not await world.drained(again)
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(again)


async def test_a_repeated_withdrawal_changes_nothing_when_the_citizen_has_consented_anew(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    first = await world.withdraw(consent, key="the-first-key")
    newer = await world.grant(borger_id)
    epoch = await world.epoch(borger_id)
    open_now = await world.item(borger_id)
    await world.acquire(holder_id, open_now)
    for key in (None, "the-first-key", "another-key"):
        again = await world.withdraw(consent, key=key)
        assert again.withdrawal_id == first.withdrawal_id
        assert await world.drained(again)
    assert await world.epoch(borger_id) == epoch
    assert await world.value("SELECT status FROM consent WHERE consent_id = $1", newer.consent_id) == "active"
    assert await world.entries("consent.withdrawn") == 1
    assert len(await world.acquire(holder_id, await world.item(borger_id))) == 1


async def test_a_repeated_refusal_changes_nothing_when_it_was_lifted_since(world: World) -> None:
    borger_id = await world.citizen()
    first = await world.refuse(borger_id, key="the-first-key")
    key = ScopeKey(borger_id, PURPOSE, RECIPIENT)
    await world.write(lambda s: scopes.change(s, [key], lambda now: refusals_store.lift(s, first.object_id, now)))
    await world.grant(borger_id)
    again = await world.refuse(borger_id, key="the-first-key")
    assert again.withdrawal_id == first.withdrawal_id
    assert len(await world.acquire(await world.holder(), await world.item(borger_id))) == 1
    assert (await world.refuse(borger_id)).withdrawal_id != first.withdrawal_id


async def test_a_key_stands_for_one_act(world: World) -> None:
    borger_id = await world.citizen()
    await world.refuse(borger_id, key="the-first-key")
    consent = await world.grant(borger_id)
    with pytest.raises(KeyReusedError):
        await world.withdraw(consent, key="the-first-key")


async def test_a_consent_that_is_not_this_citizens_or_has_ended_is_not_withdrawn(world: World) -> None:
    borger_id = await world.citizen()
    consent = await world.grant(borger_id)
    with pytest.raises(NoSuchConsentError):
        await world.withdraw(a_consent(borger_id, consent.requested_at))
    await world.grant(borger_id)
    with pytest.raises(IllegalTransitionError):
        await world.withdraw(consent)


async def test_the_worker_drains_what_nobody_waits_for(world: World) -> None:
    _, holder_id, permit_id, withdrawal = await _in_flight(world)
    await drain.sweep(world.database, LIMITS)
    assert await _drained_at(world, withdrawal) is None
    await world.age(permit_id, seconds=1)
    await drain.sweep(world.database, LIMITS)
    assert await _orders(world) == 1
    await world.die(holder_id)
    await drain.sweep(world.database, LIMITS)
    assert await _drained_at(world, withdrawal) is not None


async def test_one_that_waits_for_long_keeps_none_behind_it_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "SWEEP_PAGE", 1)
    _, _, _, stuck = await _in_flight(world)
    behind = [await world.withdraw(await world.grant(await world.citizen())) for _ in range(2)]
    await drain.sweep(world.database, LIMITS)
    assert await _drained_at(world, stuck) is None
    assert all([await _drained_at(world, withdrawal) for withdrawal in behind])


async def test_a_crash_between_commit_and_answer_is_harmless(world: World) -> None:
    """What was committed is found by whoever asks next, and waited for as it was."""
    _, holder_id, permit_id, withdrawal = await _in_flight(world)
    await world.database.close()
    restarted = World.on(world.url, world.owner_url)
    async with restarted.database.read() as session:
        found = await drains_store.read(session, withdrawal.borger_id, withdrawal.withdrawal_id)
    assert found == withdrawal
    assert not await restarted.drained(withdrawal)
    await restarted.settle(holder_id, permit_id)
    assert await restarted.drained(withdrawal)
    await restarted.database.close()


async def forget(database: Database) -> None:
    settings = Settings(database_url="none", bus_url="none", issuer_url="none")
    await purge(database, "permit", RETENTION["permit"], settings)


async def test_ended_permits_are_forgotten_after_a_day_and_open_ones_never(world: World) -> None:
    _, holder_id, permit_id, _ = await _in_flight(world)
    _, _, open_id, _ = await _in_flight(world)
    await world.settle(holder_id, permit_id)
    await forget(world.database)
    assert await world.state(permit_id) == "settled"
    await world.execute("UPDATE permit SET ended_at = now() - interval '25 hours' WHERE state = 'settled'")
    await forget(world.database)
    assert (await world.state(permit_id), await world.state(open_id)) == (None, "open")
