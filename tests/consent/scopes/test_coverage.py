"""Covered since: what is a break between arrival and disclosure, and what is none (P3, `docs/fence.md`)."""

from datetime import UTC, datetime, timedelta

from libs.common.wire.permits import Revealed
from services.consent.model.scope import ScopeKey
from services.consent.refusals import store as refusals_store
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store
from tests.consent.world.fence_world import CATEGORY, FAMILY, FAMILY_EVENT, PURPOSE, RECIPIENT, World, an_item


async def test_renewing_is_no_break(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    arrived = await world.item(borger_id)
    await world.grant(borger_id, valid_until=datetime.now(UTC) + timedelta(days=60))
    assert await world.epoch(borger_id) > arrived.reveals[0].epoch
    assert len(await world.acquire(holder_id, arrived)) == 1


async def test_narrowing_is_no_break_for_what_stays_and_a_no_for_what_goes(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    stays = await world.item(borger_id)
    told = stays.reveals[0].model_copy(update={"category": "BESKAEFTIGELSESFORLOEB"})
    goes = an_item(told, event_type="bif.tilbud.bevilget")
    await world.grant(borger_id, categories={CATEGORY})
    granted = await world.acquire(holder_id, stays, goes)
    assert [permit.permit_id for permit in granted] == [stays.permit_id]


async def test_widening_again_does_not_cover_what_arrived_before(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    arrived = await world.item(borger_id)
    await world.grant(borger_id, categories={"BESKAEFTIGELSESFORLOEB"})
    await world.grant(borger_id)
    assert await world.acquire(holder_id, arrived) == []


async def test_a_withdrawal_and_a_new_consent_are_a_break_and_what_arrives_then_is_covered(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    arrived_before = await _withdrawn_and_granted_anew(world, borger_id)
    assert await world.acquire(holder_id, arrived_before) == []
    assert len(await world.acquire(holder_id, await world.item(borger_id))) == 1


async def _withdrawn_and_granted_anew(world: World, borger_id):  # type: ignore[no-untyped-def]
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.withdraw(consent)
    await world.grant(borger_id)
    return item


async def test_what_arrives_between_a_withdrawal_and_a_new_consent_is_not_covered(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.withdraw(await world.grant(borger_id))
    between = await world.item(borger_id)
    await world.grant(borger_id)
    assert await world.acquire(holder_id, between) == []


async def test_a_gap_by_expiry_is_a_break(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    old = await world.grant(borger_id)
    arrived = await world.item(borger_id)
    await world.execute("UPDATE consent SET valid_until = now() WHERE consent_id = $1", old.consent_id)
    await world.grant(borger_id)
    assert await world.acquire(holder_id, arrived) == []


async def test_a_refusal_is_a_break_also_when_it_is_lifted(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    arrived = await world.item(borger_id)
    refusal = await world.refuse(borger_id)
    assert await world.acquire(holder_id, await world.item(borger_id)) == []
    key = ScopeKey(borger_id, PURPOSE, RECIPIENT)
    await world.write(lambda s: scopes.change(s, [key], lambda now: refusals_store.lift(s, refusal.object_id, now)))
    assert await world.acquire(holder_id, arrived) == []
    assert len(await world.acquire(holder_id, await world.item(borger_id))) == 1


async def test_a_change_elsewhere_touches_no_other_scope(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    elsewhere = await world.grant(borger_id, recipient_unit="SOF-RUSMIDDEL")
    arrived = await world.item(borger_id)
    await world.withdraw(elsewhere)
    assert await world.epoch(borger_id) == arrived.reveals[0].epoch
    assert len(await world.acquire(holder_id, arrived)) == 1


async def test_a_fact_about_a_person_can_be_a_break_in_every_scope_of_theirs(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    arrived = await world.item(borger_id)
    for moved_out_on in ("2020-01-01", None):
        await _set_moved_out(world, borger_id, moved_out_on)
    assert await world.acquire(holder_id, arrived) == []


async def _set_moved_out(world: World, borger_id, day: str | None) -> None:  # type: ignore[no-untyped-def]
    async with world.database.write() as session:
        keys = await scopes_store.keys_of(session, [borger_id])

        async def mutate(_: datetime) -> None:
            await session.exec_driver_sql(
                "UPDATE citizen SET moved_out_on = $1::text::date WHERE borger_id = $2", (day, borger_id)
            )

        await scopes.change(session, keys, mutate)


async def _family(world: World):  # type: ignore[no-untyped-def]
    """A mother and her child, both with their consents, and what an event about the child would tell her unit."""
    holder_unit, recipient, purpose = FAMILY
    units = {"holder_unit": holder_unit, "recipient_unit": recipient, "purpose": purpose}
    mother = await world.citizen()
    child = await world.citizen(age=8, parents=[mother])
    hers = await world.grant(mother, categories={"SAGSEKSISTENS"}, **units)
    childs = await world.grant(child, categories={"BARN_SAG"}, givers=(mother,), **units)
    told = (
        Revealed(borger_id=child, category="BARN_SAG", epoch=await world.epoch(child, purpose, recipient)),
        Revealed(borger_id=mother, category="SAGSEKSISTENS", epoch=await world.epoch(mother, purpose, recipient)),
    )
    return mother, child, hers, childs, an_item(*told, event_type=FAMILY_EVENT, **units)


async def test_a_family_event_has_a_row_in_both_scopes_and_a_use_for_each(world: World) -> None:
    mother, child, hers, childs, item = await _family(world)
    (permit,) = await world.acquire(await world.holder(), item)
    assert set(permit.consents) == {hers.consent_id, childs.consent_id}
    persons = await world.value("SELECT array_agg(borger_id) FROM permit_scope")
    assert set(persons) == {mother, child} == set(await world.value("SELECT array_agg(borger_id) FROM use_log"))
    assert await world.entries("disclosure.permitted") == 2


async def test_the_mothers_withdrawal_waits_for_a_family_event(world: World) -> None:
    _, _, hers, _, item = await _family(world)
    holder_id = await world.holder()
    await world.acquire(holder_id, item)
    withdrawal = await world.withdraw(hers)
    assert not await world.drained(withdrawal)
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(withdrawal)


async def test_the_childs_withdrawal_waits_for_a_family_event(world: World) -> None:
    _, _, _, childs, item = await _family(world)
    holder_id = await world.holder()
    await world.acquire(holder_id, item)
    withdrawal = await world.withdraw(childs)
    assert not await world.drained(withdrawal)
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(withdrawal)


async def test_either_ones_withdrawal_ends_a_family_event(world: World) -> None:
    _, _, hers, _, item = await _family(world)
    await world.withdraw(hers)
    assert await world.acquire(await world.holder(), item) == []


async def test_a_family_event_cannot_be_asked_for_one_of_them_alone(world: World) -> None:
    _, _, _, _, item = await _family(world)
    holder_id = await world.holder()
    for told in item.reveals:
        assert await world.acquire(holder_id, item.model_copy(update={"reveals": (told,)})) == []


async def test_a_family_event_is_for_a_parent_in_custody_only(world: World) -> None:
    mother, child, _, _, item = await _family(world)
    await world.execute("UPDATE custody SET valid_to = now() WHERE child = $1 AND holder = $2", child, mother)
    other = await world.citizen()
    await world.execute("INSERT INTO custody VALUES ($1, $2, now(), NULL)", child, other)
    assert await world.acquire(await world.holder(), item) == []
