"""Facts that come late, twice, out of order or before their day, and days that come without any message (R13, U14)."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import asyncpg
import pytest

from services.consent.citizens.family import CustodyFact, custody_holders, timeline
from services.consent.decision.decide import Reason
from services.consent.lifecycle.worker import sweep
from services.consent.model.calendar import birthday, born_for, danish_midnight, days_between
from tests.consent.citizens.test_family import CUSTODY, WISH, family
from tests.consent.lifecycle.test_lifecycle import decided, granted, statuses
from tests.consent.world.door import Citizen, Door
from tests.consent.world.examples import CHILD, FATHER, MOTHER, NOW
from tests.consent.world.people import number
from tests.consent.world.staff import DAY, TODAY, authorised
from tests.servers import TestDatabase

PLAIN = {"purpose": "KOORDINERING", "categories": ["FREMMOEDE"]}


async def swept(door: Door) -> None:
    state = door.app.state
    await sweep(state.database, state.settings, state.signer)


async def written(door: Door, query: str, *values: object) -> None:
    async with door.app.state.database.write() as session:
        await session.exec_driver_sql(query, values)


async def told(door: Door, who: Citizen) -> list[str]:
    answer = await door.call("GET", f"/v1/citizens/{who.borger_id}/notices", who.token)
    return [item["kind"] for item in answer.json()["items"] if item["kind"] != "decided_for_you"]


async def child_with(door: Door, age: int, **wish: object) -> tuple[Citizen, Citizen]:
    """A child and the one parent, who has said yes."""
    child, parent = await door.citizen(number(date(TODAY.year - age, 1, 1))), await door.citizen()
    await door.happens(CUSTODY, child.borger_id, custody_holders=(parent.borger_id,))
    answer = await door.grant(parent, child.borger_id, **wish)
    assert answer.json()["consent"]["status"] == "active", answer.text
    return child, parent


async def test_at_15_without_any_message_the_parents_yes_has_ended_and_the_young_person_is_asked(door: Door):
    child, _ = await child_with(door, 13, **PLAIN)
    await swept(door)
    assert (await statuses(door), await told(door, child)) == ([("active", None)], [])
    [before] = await door.rows("SELECT epoch FROM scope")
    await written(door, "UPDATE citizen SET birth_date = $2 WHERE borger_id = $1", child.borger_id, _turning(15))
    assert await decided(door, child.borger_id) is Reason.DECLARATION_MISSING  # the clock alone
    for _ in range(2):
        await swept(door)
    assert await statuses(door) == [("closed", "age_changed")]
    assert await told(door, child) == ["asked_at_15"]
    kinds = [kind for kind, _ in await door.told("consent.events")]
    assert kinds == ["samtykke.afgivet", "samtykke.lukket"]
    assert [kind for kind, _ in await door.told("audit.entries")].count("consent.closed") == 1
    [after] = await door.rows("SELECT epoch FROM scope")
    assert after["epoch"] == before["epoch"] + 1
    assert (await door.grant(child, **PLAIN)).json()["consent"]["status"] == "active"


def _turning(age: int) -> date:
    return born_for(TODAY, age)[0]


@pytest.mark.parametrize(("age", "kind"), [(10, "child_involved"), (18, "of_age_at_18")])
async def test_who_comes_of_another_age_is_told_once_and_keeps_what_still_counts(door: Door, age: int, kind: str):
    child, _ = await child_with(door, 8, **WISH)
    await written(door, "UPDATE citizen SET birth_date = $2 WHERE borger_id = $1", child.borger_id, _turning(age))
    for _ in range(2):
        await swept(door)
        await written(door, "DELETE FROM inbox")  # keys of the bus are purged; what was told stays told
        await door.happens(f"cpr.fylder_{age}", child.borger_id)
    assert await told(door, child) == [kind]
    assert await statuses(door) == [("active", None) if age == 10 else ("closed", "age_changed")]


async def test_a_custody_change_dated_tomorrow_takes_effect_tomorrow(door: Door, consent_database: TestDatabase):
    home = await family(door)
    for who in (home.mother, home.father):
        await door.grant(who, home.id, **WISH)
    newcomer = await door.citizen()
    tomorrow = datetime.now(UTC) + DAY
    holders = (home.mother.borger_id, newcomer.borger_id)
    await door.happens(CUSTODY, home.id, custody_holders=holders, at=tomorrow)
    assert await statuses(door) == [("active", None)]
    assert (await door.grant(newcomer, home.id, **WISH)).status_code == 404
    owner = await asyncpg.connect(consent_database.owner_url.replace("+asyncpg", ""))
    await owner.execute("UPDATE custody SET valid_from = valid_from - interval '25 hours' WHERE valid_from > now()")
    await owner.execute("UPDATE custody SET valid_to = valid_to - interval '25 hours'")
    await owner.close()
    await swept(door)
    assert await statuses(door) == [("closed", "custody_changed")]
    assert (await door.grant(newcomer, home.id, **WISH)).status_code == 201
    assert (await door.grant(home.father, home.id, **WISH)).status_code == 404


async def test_a_late_message_of_an_older_custody_changes_nothing_of_today(door: Door):
    home = await family(door)
    for who in (home.mother, home.father):
        await door.grant(who, home.id, **WISH)
    stranger = await door.citizen()
    for _ in range(2):
        at = datetime.now(UTC) - 30 * DAY
        await door.happens(CUSTODY, home.id, custody_holders=(stranger.borger_id,), at=at)
    assert await statuses(door) == [("active", None)]
    assert (await door.grant(stranger, home.id, **WISH)).status_code == 404


def test_custody_is_the_same_in_whatever_order_it_was_told():
    facts = [
        CustodyFact(NOW - 9 * DAY, frozenset({MOTHER, FATHER})),
        CustodyFact(NOW - 5 * DAY, frozenset({MOTHER})),
        CustodyFact(NOW - 2 * DAY, frozenset({MOTHER, CHILD})),
        CustodyFact(NOW + DAY, frozenset({FATHER})),
    ]
    expected = [set(), {MOTHER, FATHER}, {MOTHER}, {MOTHER, CHILD}, {FATHER}]
    moments = [NOW - 10 * DAY, NOW - 9 * DAY, NOW - 5 * DAY, NOW, NOW + DAY]
    for order in permutations(facts):
        drawn = timeline([*order, *order])
        assert [custody_holders(drawn, moment) for moment in moments] == expected
        assert len(drawn) == 4  # a holder who stays is one line, not one a message


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ([("ud", 3)], Reason.CONSENT),  # in three days
        ([("ud", -3)], Reason.MOVED_OUT),
        ([("ud", -9), ("ind", -3)], Reason.CONSENT),
        ([("ind", -3), ("ud", -9)], Reason.CONSENT),  # the same, swapped
        ([("ud", -9), ("ud", -9), ("ind", -3), ("ud", -9)], Reason.CONSENT),  # the same, repeated
        ([("ud", -9), ("ind", -5), ("ud", -3)], Reason.MOVED_OUT),
        ([("ud", -3), ("ind", -5), ("ud", -9)], Reason.MOVED_OUT),
        ([("ud", -9), ("ind", 3)], Reason.MOVED_OUT),  # not back yet
    ],
)
async def test_who_lives_here_is_read_from_the_days_and_not_from_the_order(door: Door, moves: list, reason: Reason):
    peter = await door.citizen()
    for kind, days in moves:
        await door.happens(f"cpr.flytning_{kind}", peter.borger_id, at=datetime.now(UTC) + days * DAY)
    await door.grant(peter)
    assert await decided(door, peter.borger_id) is reason


async def test_a_move_told_before_its_day_closes_on_its_day(door: Door):
    peter = await granted(door)
    await door.happens("cpr.flytning_ud", peter.borger_id, at=datetime.now(UTC) + 3 * DAY)
    await swept(door)
    assert await statuses(door) == [("active", None)]
    await written(door, "UPDATE citizen SET moved_out_on = $1", TODAY)
    assert await decided(door, peter.borger_id) is Reason.MOVED_OUT
    await swept(door)
    assert await statuses(door) == [("closed", "moved_out")]


async def test_a_case_closing_told_before_its_moment_closes_at_its_moment(door: Door):
    peter = await granted(door)
    about = {"case_reference": "SOF-26-1"}
    await door.happens("sof.sag.aabnet", peter.borger_id, **about)
    await door.happens("sof.sag.lukket", peter.borger_id, at=datetime.now(UTC) + DAY, **about)
    assert (await statuses(door), await decided(door, peter.borger_id)) == ([("active", None)], Reason.CONSENT)
    await written(door, "UPDATE case_fact SET closed_at = now() - interval '1 second'")
    assert await decided(door, peter.borger_id) is Reason.CASE_CLOSED
    await swept(door)
    assert await statuses(door) == [("closed", "case_closed")]


async def test_a_death_told_late_or_twice_ends_everything_once(door: Door):
    peter = await granted(door)
    for days in (40, 30):
        await door.happens("cpr.doedsfald", peter.borger_id, at=datetime.now(UTC) - days * DAY)
    assert (await statuses(door), await decided(door, peter.borger_id)) == ([("closed", "death")], Reason.DEAD)
    assert [kind for kind, _ in await door.told("consent.events")].count("samtykke.lukket") == 1


async def test_on_an_authoritys_last_day_the_sweep_closes_what_rests_on_it_and_nothing_else(door: Door):
    peter, anna = await door.citizen(), await door.citizen()
    await authorised(door, peter, anna, valid_to=str(TODAY + DAY))
    await door.grant(anna, peter.borger_id)
    await door.grant(peter, recipient_unit="SOF-BCH")
    await swept(door)
    assert await statuses(door) == [("active", None)] * 2
    await written(door, "UPDATE authority SET valid_to = $1", TODAY)
    assert await decided(door, peter.borger_id) is Reason.DECLARATION_MISSING
    await swept(door)
    assert await statuses(door) == [("closed", "authority_changed"), ("active", None)]
    assert (await door.grant(anna, peter.borger_id)).status_code == 404


def test_the_birth_dates_of_a_day_are_those_who_reach_the_age_on_it():
    for day in days_between(danish_midnight(date(2027, 2, 20)), danish_midnight(date(2028, 3, 10))):
        for age in (10, 15, 18):
            around = [date(day.year - age, 1, 1) + timedelta(days=number) for number in range(366)]
            assert sorted(born_for(day, age)) == [born for born in around if birthday(born, age) == day]
