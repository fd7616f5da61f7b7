"""A correction undoes what the wrong fact did and nothing else: the state is what it would be without that fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.consent.lifecycle.test_correction_fates import KINDS
from tests.consent.lifecycle.test_corrections import CPR, said
from tests.consent.lifecycle.test_lifecycle import CASE, CUSTODY
from tests.consent.world.door import Door

START = datetime(2020, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Reported:
    """One fact, on day number `day`. `holder`: which of two custody holders."""

    kind: str
    day: int
    holder: int

    def data(self, holders: Sequence[UUID]) -> dict[str, Any]:
        """What it says."""
        if self.kind == CUSTODY:
            return CPR | {"custody_holders": [str(holders[self.holder])]}
        return CASE if ".sag." in self.kind else CPR


async def state(door: Door, person: UUID) -> list[Any]:
    """Everything that is decided by of what was reported of somebody."""
    queries = (
        "SELECT died_on, moved_out_on, moved_in_on FROM citizen WHERE borger_id = $1",
        "SELECT opened_at, closed_at FROM case_fact WHERE borger_id = $1",
        "SELECT holder, valid_from, valid_to FROM custody WHERE child = $1 ORDER BY 1, 2",
    )
    return [[tuple(row) for row in await door.rows(query, person)] for query in queries]


async def report(door: Door, person: UUID, fact: Reported, holders: Sequence[UUID], **how: Any) -> str:
    moment = START + timedelta(days=fact.day)
    return await said(door, fact.kind, person, fact.data(holders) | how.pop("more", {}), time=moment, **how)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 1)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 99)), max_size=3),
)
async def test_the_state_is_what_it_would_be_had_the_wrong_facts_never_been_reported(door: Door, facts, corrections):
    """Each of `corrections`: which fact, whether it annuls, and the day that holds instead."""
    corrected, right = [(await door.citizen()).borger_id for _ in range(2)]
    holders = [uuid4(), uuid4()]
    stands: dict[int, Reported] = {}
    ids: dict[int, str] = {}
    for place, (kind, holder) in enumerate(facts):
        stands[place] = Reported(kind, 100 * place, holder)
        ids[place] = await report(door, corrected, stands[place], holders)
    for number, (wrong, annulled, day) in enumerate(corrections, start=len(facts)):
        if wrong not in stands:
            continue
        fact = stands.pop(wrong)
        if annulled:
            await report(door, corrected, fact, holders, corrects=ids[wrong], more={"annulled": True})
        else:
            stands[number] = Reported(fact.kind, 100 * wrong + day, 1 - fact.holder)
            ids[number] = await report(door, corrected, stands[number], holders, corrects=ids[wrong])
    for fact in sorted(stands.values(), key=lambda one: one.day):
        await report(door, right, fact, holders)
    assert await state(door, corrected) == await state(door, right)


async def test_annulling_an_older_closing_leaves_a_case_closed_that_was_closed_again_since(door: Door):
    person = (await door.citizen()).borger_id
    steps = ("aabnet", "lukket", "aabnet", "lukket")
    ids = [
        await said(door, f"sof.sag.{step}", person, CASE, time=START + timedelta(days=day))
        for day, step in enumerate(steps)
    ]
    annulled = CASE | {"annulled": True}
    await said(door, "sof.sag.lukket", person, annulled, corrects=ids[1])
    assert (await state(door, person))[1][0][1] == START + timedelta(days=3)
    await said(door, "sof.sag.lukket", person, annulled, corrects=ids[3])
    assert (await state(door, person))[1][0][1] is None


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(
        st.sampled_from([kind for kind in KINDS if kind not in {CUSTODY, "cpr.doedsfald"}]), min_size=2, max_size=6
    ),
    st.data(),
)
async def test_what_is_reported_late_makes_the_state_that_it_would_have_made_in_time(door: Door, kinds, data):
    late, timely = [(await door.citizen()).borger_id for _ in range(2)]
    facts = [Reported(kind, 100 * place, 0) for place, kind in enumerate(kinds)]
    for fact in data.draw(st.permutations(facts)):
        await report(door, late, fact, ())
    for fact in facts:
        await report(door, timely, fact, ())
    assert await state(door, late) == await state(door, timely)
