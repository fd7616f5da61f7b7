"""Arrivals: the openings of an event as it arrives, *not yet*, the family rules, and the one shape of every answer."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.database.database import clock
from libs.common.wire.permits import Arrival, ArrivalAnswer, Position
from services.consent.fence import arrivals
from tests.consent.world.fence_world import EVENT, FAMILY, FAMILY_EVENT, HOLDER_UNIT, PURPOSE, RECIPIENT, World, an_item


async def _arrive(world: World, borger_id: UUID, *, offset: int = 0, **changes: Any) -> ArrivalAnswer:
    arrival = Arrival(
        event_id="e1",
        type=EVENT,
        borger_id=borger_id,
        holder_unit=HOLDER_UNIT,
        occurred_at="2026-11-22T10:00:00Z",
        position=Position(topic="case.events", partition=3, offset=offset),
    ).model_copy(update=changes)
    async with world.database.read() as session:
        (answer,) = await arrivals.answer_arrivals(session, [arrival])
    return answer


async def test_an_event_with_a_consent_has_an_opening_that_can_be_acquired(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    (opening,) = (await _arrive(world, borger_id)).openings
    assert (opening.recipient_unit, opening.purpose, opening.subject) == (RECIPIENT, PURPOSE, borger_id)
    assert opening.reveals[0].epoch == await world.epoch(borger_id)
    assert len(await world.acquire(holder_id, an_item(*opening.reveals))) == 1


async def test_every_recipient_with_a_consent_is_an_opening_and_no_other(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    await world.grant(borger_id, recipient_unit="SOF-RUSMIDDEL")
    await world.grant(borger_id, recipient_unit="SOF-BCH", categories={"BESKAEFTIGELSESFORLOEB"})
    await world.withdraw(await world.grant(borger_id, recipient_unit="SOF-PSYKIATRI"))
    openings = (await _arrive(world, borger_id)).openings
    assert [opening.recipient_unit for opening in openings] == [RECIPIENT, "SOF-RUSMIDDEL"]


async def test_whatever_the_reason_for_none_the_answer_is_the_same(world: World) -> None:
    nobody, refused, other = uuid4(), await world.citizen(), await world.citizen()
    await world.grant(refused)
    await world.refuse(refused)
    answers = [
        await _arrive(world, nobody),
        await _arrive(world, refused),
        await _arrive(world, other),
        await _arrive(world, other, type="no.such.event"),
        await _arrive(world, other, type="bif.sag.aabnet"),
        await _arrive(world, other, holder_unit="NO-SUCH-UNIT"),
    ]
    assert {answer.model_dump_json() for answer in answers} == {'{"event_id":"e1","not_yet":false,"openings":[]}'}


async def test_not_yet_while_consent_has_not_consumed_what_lies_before_the_event(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    assert (await _arrive(world, borger_id, offset=1)).not_yet
    await world.execute("INSERT INTO bus_position VALUES ('case.events', 3, 7)")
    early = await _arrive(world, borger_id, offset=8)
    assert (early.not_yet, early.openings) == (True, ())
    for consumed in (7, 6):
        answer = await _arrive(world, borger_id, offset=consumed)
        assert (answer.not_yet, len(answer.openings)) == (False, 1)


async def test_what_was_parked_has_no_opening_that_began_after_it_was(world: World) -> None:
    """A record sent again arrived when it was first parked: a consent given since is not for what happened before."""
    borger_id = await world.citizen()
    async with world.database.read() as session:
        before = await clock(session)
    await world.grant(borger_id)
    async with world.database.read() as session:
        after = await clock(session)
    assert (await _arrive(world, borger_id, first_parked=before)).openings == ()
    assert len((await _arrive(world, borger_id, first_parked=after)).openings) == 1


async def _family(world: World) -> tuple[UUID, UUID, UUID]:
    """A child and two custody holders, of whom the first consents to what is revealed about herself."""
    holder_unit, recipient, purpose = FAMILY
    units = {"holder_unit": holder_unit, "recipient_unit": recipient, "purpose": purpose}
    mother, father = await world.citizen(), await world.citizen()
    child = await world.citizen(age=8, parents=[mother, father])
    await world.grant(mother, categories={"SAGSEKSISTENS"}, **units)
    await world.grant(child, categories={"BARN_SAG"}, givers=(mother, father), **units)
    return child, mother, father


async def _family_openings(world: World, child: UUID) -> list[tuple[UUID, set[UUID]]]:
    answer = await _arrive(world, child, type=FAMILY_EVENT, holder_unit=FAMILY[0])
    return [(opening.subject, {told.borger_id for told in opening.reveals}) for opening in answer.openings]


async def test_a_family_event_opens_in_the_case_of_the_parent_who_consents(world: World) -> None:
    child, mother, father = await _family(world)
    assert await _family_openings(world, child) == [(mother, {child, mother})]
    units = {"holder_unit": FAMILY[0], "recipient_unit": FAMILY[1], "purpose": FAMILY[2]}
    await world.grant(father, categories={"SAGSEKSISTENS"}, **units)
    assert sorted(await _family_openings(world, child)) == sorted(
        [(mother, {child, mother}), (father, {child, father})]
    )


@pytest.mark.parametrize("who", ["child", "mother"])
async def test_a_family_event_needs_the_consent_of_each_of_them(world: World, who: str) -> None:
    child, mother, _ = await _family(world)
    person = {"child": child, "mother": mother}[who]
    await world.execute("UPDATE consent SET valid_until = now() WHERE borger_id = $1", person)
    assert await _family_openings(world, child) == []


async def test_a_family_event_does_not_open_for_who_no_longer_holds_custody(world: World) -> None:
    child, mother, _ = await _family(world)
    await world.execute("UPDATE custody SET valid_to = now() WHERE holder = $1", mother)
    assert await _family_openings(world, child) == []


async def test_what_an_operator_sends_again_opens_only_what_was_covered_when_it_was_first_parked(world: World) -> None:
    borger_id = await world.citizen()
    before = await world.value("SELECT clock_timestamp()")
    consent = await world.grant(borger_id)
    covered = await world.value("SELECT clock_timestamp()")
    assert (await _arrive(world, borger_id, first_parked=before)).openings == ()
    assert len((await _arrive(world, borger_id, first_parked=covered)).openings) == 1
    await world.withdraw(consent)
    await world.grant(borger_id)  # covered then and covered now, but not in between
    assert (await _arrive(world, borger_id, first_parked=covered)).openings == ()
    assert len((await _arrive(world, borger_id)).openings) == 1
