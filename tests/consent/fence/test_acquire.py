"""Acquire and settle: what may be opened, what a repetition answers, and what an ended id can never do again."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from libs.common.database.database import WriteSession
from libs.common.wire.permits import Revealed
from services.consent.fence import permits
from services.consent.fence.permits import HolderDeadError
from services.consent.scopes.store import IsolationError, raise_generation
from tests.consent.world.fence_world import CATEGORY, World, an_item


async def test_a_consent_in_force_opens_a_permit_with_its_lease(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    (permit,) = await world.acquire(holder_id, item)
    assert (permit.permit_id, permit.lease_ms) == (item.permit_id, 5_000)
    assert permit.consents == (consent.consent_id,)
    assert await world.state(item.permit_id) == "open"


async def test_what_the_consent_does_not_name_is_not_opened(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id, categories={"PLANER"})
    item = await world.item(borger_id)
    assert await world.acquire(holder_id, item) == []
    assert await world.state(item.permit_id) is None
    assert await world.entries("disclosure.refused") == 1


async def test_a_scope_without_a_row_is_a_no_even_with_a_consent_in_the_table(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.execute("DELETE FROM scope WHERE borger_id = $1", borger_id)
    assert await world.acquire(holder_id, item) == []


async def test_a_scope_that_was_never_covered_is_a_no_even_with_a_consent_in_the_table(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    await world.execute("DELETE FROM coverage WHERE borger_id = $1", borger_id)
    assert await world.acquire(holder_id, await world.item(borger_id)) == []


async def test_the_permit_its_use_and_its_record_are_one_commit(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)

    async def fails(session: WriteSession) -> None:
        assert await permits.acquire(session, holder_id, [item], longest_ms=5_000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.write(fails)
    assert await world.state(item.permit_id) is None
    assert await world.value("SELECT count(*) FROM use_log") == 0
    assert await world.entries("disclosure.permitted") == 0
    await world.acquire(holder_id, item)
    assert await world.value("SELECT count FROM use_log WHERE borger_id = $1", borger_id) == 1
    assert await world.entries("disclosure.permitted") == 1


async def test_a_repeated_acquire_answers_as_the_first_and_does_not_extend_the_lease(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    (first,) = await world.acquire(holder_id, item)
    until = await world.value("SELECT lease_until FROM permit WHERE permit_id = $1", item.permit_id)
    (again,) = await world.acquire(holder_id, item, longest_ms=60_000)
    assert again.lease_ms < first.lease_ms
    assert again.consents == first.consents
    assert await world.value("SELECT lease_until FROM permit WHERE permit_id = $1", item.permit_id) == until
    assert await world.value("SELECT count FROM use_log") == 1
    assert await world.entries("disclosure.permitted") == 1


async def test_a_repeated_acquire_after_the_lease_answers_that_nothing_is_left_of_it(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    await world.age(item.permit_id, seconds=60)
    (again,) = await world.acquire(holder_id, item)
    assert again.lease_ms == 0


async def test_a_repeated_acquire_does_not_care_that_the_consent_was_withdrawn_meanwhile(world: World) -> None:
    """The withdrawal waits for this permit, so answering as before breaks nothing."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    withdrawal = await world.withdraw(consent)
    assert [permit.permit_id for permit in await world.acquire(holder_id, item)] == [item.permit_id]
    assert not await world.drained(withdrawal)


async def test_an_id_is_good_for_one_disclosure_and_one_holder(world: World) -> None:
    borger_id, holder_id, other = await world.citizen(), await world.holder(), await world.holder("up-advis/b")
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    assert await world.acquire(holder_id, item.model_copy(update={"actor": "sof202"})) == []
    assert await world.acquire(other, item) == []
    assert len(await world.acquire(holder_id, item.model_copy(update={"correlation_id": "another-try"}))) == 1


@pytest.mark.parametrize("outcome", ["disclosed", "not_sent", "unknown"])
async def test_an_id_settled_before_it_was_known_is_never_granted(world: World, outcome: str) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.settle(holder_id, item.permit_id, outcome=outcome)
    assert await world.acquire(holder_id, item) == []
    assert await world.value("SELECT count(*) FROM use_log") == 0


async def test_a_settled_id_is_never_granted_again(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    await world.settle(holder_id, item.permit_id)
    assert await world.acquire(holder_id, item) == []
    assert await world.state(item.permit_id) == "settled"


async def test_an_id_that_died_with_its_holder_is_never_granted_again(world: World) -> None:
    borger_id, holder_id, other = await world.citizen(), await world.holder(), await world.holder("up-advis/b")
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    await world.die(holder_id)
    await world.settle(holder_id, item.permit_id)
    assert await world.state(item.permit_id) == "dead"
    assert await world.acquire(other, item) == []


async def test_settling_twice_counts_once_and_the_first_outcome_stands(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    await world.settle(holder_id, item.permit_id, outcome="not_sent")
    await world.settle(holder_id, item.permit_id, item.permit_id, outcome="unknown")
    row = await world.value("SELECT (count, not_sent, unknown)::text FROM use_log")
    assert row == "(1,1,0)"


@pytest.mark.parametrize(
    ("outcome", "row"), [("disclosed", "(1,0,0)"), ("not_sent", "(1,1,0)"), ("unknown", "(1,0,1)")]
)
async def test_the_use_row_is_touched_for_what_was_not_or_may_not_have_been_sent(
    world: World, outcome: str, row: str
) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    await world.settle(holder_id, item.permit_id, outcome=outcome)
    assert await world.value("SELECT (count, not_sent, unknown)::text FROM use_log") == row


async def test_a_holder_cannot_settle_another_holders_permit(world: World) -> None:
    borger_id, holder_id, other = await world.citizen(), await world.holder(), await world.holder("up-advis/b")
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    await world.settle(other, item.permit_id)
    assert await world.state(item.permit_id) == "open"
    assert not await world.drained(await world.withdraw(consent))


async def test_a_refreshed_inbox_adds_to_a_row_and_does_not_flood_the_log(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    batch = [item.model_copy(update={"permit_id": uuid4()}) for _ in range(3)]
    await world.acquire(holder_id, *batch)
    await world.acquire(holder_id, item)
    assert await world.value("SELECT count(*) FROM use_log") == 1
    assert await world.value("SELECT count FROM use_log") == 4


async def test_the_lease_ends_with_the_consent(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id, valid_until=datetime.now(UTC) + timedelta(seconds=2))
    (permit,) = await world.acquire(holder_id, await world.item(borger_id))
    assert 0 < permit.lease_ms <= 2_000


async def test_a_holder_confirmed_dead_acquires_nothing(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    await world.die(holder_id)
    with pytest.raises(HolderDeadError):
        await world.acquire(holder_id, await world.item(borger_id))


async def test_a_holder_that_was_never_registered_acquires_nothing(world: World) -> None:
    with pytest.raises(HolderDeadError):
        await world.acquire(uuid4())


async def test_an_empty_acquire_is_an_empty_answer(world: World) -> None:
    assert await world.acquire(await world.holder()) == []


async def test_an_epoch_of_an_older_generation_opens_nothing_and_a_new_one_does(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    old = await world.item(borger_id)
    _, generation = await world.own(raise_generation)
    assert await world.acquire(holder_id, old) == []
    told = Revealed(borger_id=borger_id, category=CATEGORY, epoch=generation << 40)
    assert len(await world.acquire(holder_id, an_item(told))) == 1


async def test_an_epoch_that_the_scope_has_not_reached_opens_nothing(world: World) -> None:
    """A database restored from a backup is behind what it handed out."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    told = Revealed(borger_id=borger_id, category=CATEGORY, epoch=await world.epoch(borger_id) + 1)
    assert await world.acquire(holder_id, an_item(told)) == []


@pytest.mark.parametrize("act", ["acquire", "settle", "change", "death"])
async def test_no_act_of_the_fence_runs_but_in_read_committed(
    world: World, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    acts = {
        "acquire": world.acquire(holder_id, await world.item(borger_id)),
        "settle": world.settle(holder_id, uuid4()),
        "change": world.grant(borger_id),
        "death": world.die(holder_id),
    }
    wanted = acts.pop(act)
    for unused in acts.values():
        unused.close()
    monkeypatch.setattr("libs.common.database.database._BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
    with pytest.raises(IsolationError):
        await wanted


async def test_two_categories_about_one_citizen_are_one_use_and_one_row_in_the_fence(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    both = ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"]
    await world.event_type("bif.both", reveals=[{"role": "citizen", "category": code} for code in both])
    consent = await world.grant(borger_id)
    epoch = await world.epoch(borger_id)
    told = [Revealed(borger_id=borger_id, category=category, epoch=epoch) for category in both]
    (permit,) = await world.acquire(holder_id, an_item(*told, event_type="bif.both"))
    assert permit.consents == (consent.consent_id,)
    assert await world.value("SELECT count(*) FROM permit_scope") == 1
    assert await world.value("SELECT categories FROM use_log") == both
    assert await world.acquire(holder_id, an_item(told[0], event_type="bif.both")) == []
