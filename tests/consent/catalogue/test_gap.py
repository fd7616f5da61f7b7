"""A gap in the catalogue is a break between arrival and disclosure, though it changes no row of anybody's (P3, R35)."""

from collections.abc import Callable
from datetime import date

import pytest

from services.consent.catalogue.form import RawEntry
from tests.consent.world import fence_door
from tests.consent.world.catalogue_world import arrive, begins_again, day, ends, entry_of, long_ago, rewrite
from tests.consent.world.door import Door
from tests.consent.world.fence_world import CATEGORY, HOLDER_UNIT, PURPOSE, RECIPIENT, World, an_item

Change = Callable[[list[RawEntry]], None]
ENTRIES = [
    ("units", RECIPIENT),
    ("categories", CATEGORY),
    ("legal_bases", "GDPR_SAMTYKKE"),
    ("policies", "SAMTYKKE"),
]


def without_the_category(raw: list[RawEntry]) -> list[str]:
    return [code for code in entry_of(raw, "purposes", PURPOSE).body["categories"] if code != CATEGORY]


async def closed_and_opened(world: World, kind: str, code: str, days: tuple[date, date]) -> None:
    await rewrite(world, ends(kind, code, days[0]))
    await rewrite(world, begins_again(kind, code, days[1]))


@pytest.mark.parametrize(("kind", "code"), ENTRIES)
async def test_what_closes_and_opens_again_is_a_break_and_what_arrives_then_is_covered(
    world: World, kind: str, code: str
) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    before = await world.item(borger_id)
    await long_ago(world, borger_id)
    await closed_and_opened(world, kind, code, (day(-5), day(-2)))
    assert await world.acquire(holder_id, before) == []
    (opening,) = (await arrive(world, borger_id)).openings
    assert len(await world.acquire(holder_id, an_item(*opening.reveals))) == 1
    again = before.model_copy(update={"permit_id": before.notification_id})
    assert await world.acquire(holder_id, again) == []


@pytest.mark.parametrize(("kind", "code"), [("units", HOLDER_UNIT), ("purposes", PURPOSE)])
async def test_a_new_version_without_a_gap_is_no_break(world: World, kind: str, code: str) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    before = await world.item(borger_id)
    await long_ago(world, borger_id)
    await closed_and_opened(world, kind, code, (day(-5), day(-5)))
    epoch = await world.epoch(borger_id)
    assert len(await world.acquire(holder_id, before)) == 1
    assert len((await arrive(world, borger_id)).openings) == 1
    assert await world.epoch(borger_id) == epoch


async def test_a_purpose_that_loses_a_category_for_a_day_is_a_break_for_that_category_alone(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    lost = await world.item(borger_id)
    kept = an_item(
        lost.reveals[0].model_copy(update={"category": "BESKAEFTIGELSESFORLOEB"}), event_type="bif.tilbud.bevilget"
    )
    await long_ago(world, borger_id)

    def loses_and_regains(raw: list[RawEntry]) -> None:
        old = entry_of(raw, "purposes", PURPOSE).body
        whole, rest = old["categories"], without_the_category(raw)
        ends("purposes", PURPOSE, day(-4))(raw)
        begins_again("purposes", PURPOSE, day(-4), categories=rest)(raw)
        ends("purposes", PURPOSE, day(-3))(raw)
        begins_again("purposes", PURPOSE, day(-3), categories=whole)(raw)
        # An event that reveals the category cannot be in force beside a purpose that does not ask for it.
        for entry in raw:
            if entry.kind == "event_types" and CATEGORY in {item["category"] for item in entry.body["reveals"]}:
                entry.body["valid_from"] = day(-3).isoformat()

    await rewrite(world, loses_and_regains)
    granted = await world.acquire(holder_id, lost, kept)
    assert [permit.permit_id for permit in granted] == [kept.permit_id]


async def test_a_gap_before_the_consent_or_still_to_come_is_none(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await closed_and_opened(world, "units", RECIPIENT, (day(-5), day(-2)))
    await rewrite(world, ends("units", RECIPIENT, day(3)))
    await world.grant(borger_id)
    assert len(await world.acquire(holder_id, await world.item(borger_id))) == 1


async def test_what_is_closed_today_is_refused_at_once_and_renewed_by_nothing(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    arrived = await world.item(borger_id)
    await rewrite(world, ends("units", RECIPIENT, day(0)))
    assert await world.acquire(holder_id, arrived) == []
    assert (await arrive(world, borger_id)).openings == ()


async def test_a_renewal_after_the_gap_does_not_hide_it(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    before = await world.item(borger_id)
    await long_ago(world, borger_id)
    await closed_and_opened(world, "units", RECIPIENT, (day(-5), day(-2)))
    await world.grant(borger_id)
    assert await world.acquire(holder_id, before) == []
    (opening,) = (await arrive(world, borger_id)).openings
    assert len(await world.acquire(holder_id, an_item(*opening.reveals))) == 1


async def test_over_http_an_arrival_after_the_gap_has_its_opening_at_once(door: Door, world: World) -> None:
    by = await door.citizen()
    await fence_door.granted(door, by)
    await long_ago(world, by.borger_id)
    await closed_and_opened(world, "units", RECIPIENT, (day(-5), day(-2)))
    _, token = await fence_door.holder(door)
    answer = await fence_door.acquire(door, token, await fence_door.item_for(door, by.borger_id))
    assert len(answer.json()["granted"]) == 1
