"""A closed unit stops matching at once, until a recorded decision maps it to one other unit (R35, R36)."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from libs.common.wire.permits import PermitItem
from services.consent.catalogue import store as catalogue_store
from services.consent.decision.decide import decide
from services.consent.decision.snapshot import Question
from services.consent.decision.store import load_snapshot
from services.consent.fence import permits
from services.consent.http.signing import content_of
from services.consent.model.calendar import danish_midnight
from services.consent.model.errors import CatalogueError
from services.consent.receipts import store as receipts_store
from services.consent.refusals import commands as refusals_commands
from tests.consent.world.catalogue_world import TARGET, arrive, begins_again, day, ends, maps, rewrite
from tests.consent.world.door import Door
from tests.consent.world.fence_world import CATEGORY, HOLDER_UNIT, LEASE_MS, PURPOSE, RECIPIENT, World, an_item

ELSEWHERE = "SOF-RUSMIDDEL"


async def may(world: World, borger_id: UUID, recipient: str, holder: str = HOLDER_UNIT) -> bool:
    async with world.database.read() as session:
        snapshot = await load_snapshot(session, [borger_id])
    return decide(Question(borger_id, holder, recipient, PURPOSE, CATEGORY), snapshot, datetime.now(UTC)).permitted


async def merged(world: World, code: str = RECIPIENT, to_unit: str = TARGET) -> None:
    await rewrite(world, ends("units", code, day(0)))
    await rewrite(world, maps(code, to_unit, day(0)))


async def told(world: World, borger_id: UUID) -> PermitItem:
    """What the other unit would ask a permit for, of an event that arrives now."""
    (opening,) = (await arrive(world, borger_id)).openings
    assert opening.recipient_unit == TARGET
    return an_item(*opening.reveals, recipient_unit=TARGET)


async def test_a_closed_unit_stops_matching_at_once_and_nothing_takes_its_place(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    assert await may(world, borger_id, RECIPIENT)
    await rewrite(world, ends("units", RECIPIENT, day(0)))
    assert not await may(world, borger_id, RECIPIENT)
    assert not await may(world, borger_id, TARGET)
    assert (await arrive(world, borger_id)).openings == ()


async def test_mapped_it_counts_for_that_one_unit_and_for_no_second(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    await merged(world)
    assert await may(world, borger_id, TARGET)
    assert not await may(world, borger_id, RECIPIENT)
    assert not await may(world, borger_id, ELSEWHERE)
    assert len(await world.acquire(holder_id, await told(world, borger_id))) == 1


async def test_a_holder_that_is_mapped_counts_the_same_way(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id, holder_unit="BIF-KANTEN")
    assert not await may(world, borger_id, RECIPIENT)
    await merged(world, "BIF-KANTEN", HOLDER_UNIT)
    assert await may(world, borger_id, RECIPIENT)
    assert not await may(world, borger_id, RECIPIENT, holder="BIF-CAB")
    (opening,) = (await arrive(world, borger_id)).openings
    assert len(await world.acquire(holder_id, an_item(*opening.reveals))) == 1


async def test_a_mapping_that_begins_tomorrow_is_none_today(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    await rewrite(world, ends("units", RECIPIENT, day(0)))
    await rewrite(world, maps(RECIPIENT, TARGET, day(1)))
    assert not await may(world, borger_id, TARGET)


async def test_a_permit_never_outlives_the_mapping_that_it_rests_on(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    await merged(world)
    await rewrite(world, ends("unit_mappings", RECIPIENT, day(1)))
    async with world.database.read() as session:
        snapshot = await load_snapshot(session, [borger_id])
    asked = Question(borger_id, HOLDER_UNIT, TARGET, PURPOSE, CATEGORY)
    assert decide(asked, snapshot, datetime.now(UTC)).ends_at == danish_midnight(day(1))


async def test_what_arrived_for_the_old_unit_is_told_to_nobody(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    before = await world.item(borger_id)
    await merged(world)
    await told(world, borger_id)
    assert await world.acquire(holder_id, before) == []


@pytest.mark.parametrize(("old", "new"), [(RECIPIENT, TARGET), (RECIPIENT, ELSEWHERE)])
async def test_the_receipt_of_a_refusal_names_the_epoch_of_its_own_scope(world: World, old: str, new: str) -> None:
    borger_id = await world.citizen()
    for unit, times in ((old, 1), (new, 3)):
        for _ in range(times):
            await world.grant(borger_id, recipient_unit=unit)
    await merged(world, old, new)
    asked = world.request(borger_id)
    made = await world.write(
        lambda s: refusals_commands.refuse(s, world.signer, asked, purpose=PURPOSE, recipient_unit=new)
    )
    own, tied = [await world.epoch(borger_id, recipient=unit) for unit in (new, old)]
    async with world.database.read() as session:
        stored = await receipts_store.find(session, made.receipt_id)
    assert stored is not None
    assert own != tied
    assert content_of(stored.jws)["act"]["epoch"] == own


async def test_a_refusal_of_the_old_unit_stands_against_the_new_one(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    await world.refuse(borger_id)
    await world.grant(borger_id, recipient_unit=TARGET)
    assert await may(world, borger_id, TARGET)
    await merged(world)
    assert not await may(world, borger_id, TARGET)


async def test_withdrawing_what_is_mapped_fences_the_new_unit(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    await merged(world)
    open_one, later = await told(world, borger_id), await told(world, borger_id)
    (permit,) = await world.acquire(holder_id, open_one)
    withdrawal = await world.withdraw(consent)
    assert not await world.drained(withdrawal), "a permit of the new unit is in flight"
    assert await world.acquire(holder_id, later) == []
    await world.settle(holder_id, permit.permit_id)
    assert await world.drained(withdrawal)


async def test_an_acquire_holds_what_a_withdrawal_of_the_old_unit_locks(world: World) -> None:
    """Also in a process that has not heard of the mapping: it reads again with both scopes locked."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    async with world.database.write() as session:
        unmapped = dict(catalogue_store.kept(session))
    await merged(world)
    item = await told(world, borger_id)
    async with world.database.write() as session:
        catalogue_store.kept(session).clear()
        catalogue_store.kept(session).update(unmapped)
        (permit,) = await permits.acquire(session, holder_id, [item], longest_ms=LEASE_MS)
        with pytest.raises(asyncpg.LockNotAvailableError):  # the old unit's scope is held, not the new one's alone
            await world.execute("SELECT FROM scope WHERE recipient_unit = $1 FOR UPDATE NOWAIT", RECIPIENT)
        withdrawing = asyncio.create_task(world.withdraw(consent))
        await world.waits_for_a_lock()
    withdrawal = await withdrawing
    assert not await world.drained(withdrawal)
    await world.settle(holder_id, permit.permit_id)
    assert await world.drained(withdrawal)


async def test_a_gap_between_closing_and_mapping_and_an_end_of_it_are_breaks(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    await merged(world)
    before = await told(world, borger_id)
    await rewrite(world, ends("unit_mappings", RECIPIENT, day(0)))
    assert await world.acquire(holder_id, before) == []
    assert not await may(world, borger_id, TARGET)


@pytest.mark.parametrize(
    ("code", "to_unit", "closed", "field"),
    [
        (RECIPIENT, TARGET, False, "valid_from"),  # still open
        (RECIPIENT, RECIPIENT, True, "to_unit"),
        (RECIPIENT, "SOF-NOWHERE", True, "to_unit"),
        (RECIPIENT, HOLDER_UNIT, True, "to_unit"),  # another administration
        ("SOF-NOWHERE", TARGET, True, "code"),
    ],
)
async def test_what_is_no_merger_is_refused(world: World, code: str, to_unit: str, closed: bool, field: str) -> None:
    if closed:
        await rewrite(world, ends("units", RECIPIENT, day(0)))
    with pytest.raises(CatalogueError) as refused:
        await rewrite(world, maps(code, to_unit, day(0)))
    assert (refused.value.file, refused.value.field) == ("unit_mappings.yaml", field)


async def test_a_unit_cannot_open_again_while_it_is_mapped(world: World) -> None:
    await merged(world)
    with pytest.raises(CatalogueError):
        await rewrite(world, begins_again("units", RECIPIENT, day(1)))


async def test_a_new_consent_to_the_new_unit_replaces_what_is_mapped_so_that_withdrawing_it_ends_all(
    door: Door, world: World
) -> None:
    by = await door.citizen()
    old = (await door.grant(by, recipient_unit=RECIPIENT)).json()["consent"]
    await merged(world)
    new = (await door.grant(by, recipient_unit=TARGET)).json()["consent"]
    seen = await door.call("GET", f"/v1/citizens/{by.borger_id}/consents/{old['consent_id']}", by.token)
    assert (seen.json()["status"], seen.json()["closed_reason"]) == ("closed", "superseded")
    path = f"/v1/citizens/{by.borger_id}/consents/{new['consent_id']}:withdraw"
    assert (await door.call("POST", path, by.token)).status_code == 200
    assert not await may(world, by.borger_id, TARGET)


async def test_a_withdrawal_is_told_for_both_units_so_that_open_notifications_are_asked_about(
    door: Door, world: World
) -> None:
    by = await door.citizen()
    consent = (await door.grant(by, recipient_unit=RECIPIENT)).json()["consent"]
    await merged(world)
    await arrive(world, by.borger_id)
    await door.call("POST", f"/v1/citizens/{by.borger_id}/consents/{consent['consent_id']}:withdraw", by.token)
    told_of = [data["recipient_unit"] for kind, data in await door.told("consent.events") if "tilbagekaldt" in kind]
    assert sorted(told_of) == sorted([RECIPIENT, TARGET])


async def test_the_last_case_of_the_new_unit_closes_what_is_mapped_to_it(door: Door, world: World) -> None:
    by = await door.citizen()
    consent = (await door.grant(by, recipient_unit=RECIPIENT)).json()["consent"]
    await merged(world)
    for kind in ("sof.sag.aabnet", "sof.sag.lukket"):
        await door.happens(kind, by.borger_id, unit=TARGET, case_reference="SOF-26-1")
    seen = await door.call("GET", f"/v1/citizens/{by.borger_id}/consents/{consent['consent_id']}", by.token)
    assert seen.json()["closed_reason"] == "case_closed"
