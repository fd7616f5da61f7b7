"""What becomes of a correction tells its source nothing: the same whether anybody was told of the event or nobody."""

from itertools import count
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.bus.port import PoisonRecordError
from tests.advis.world.examples import case_opened, event, opening
from tests.advis.world.reading import rows

NUMBERS = count(1)

# (type, person, unit, the place of the event that it corrects, annulled)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["sof.rusmiddel.opstartet", "sof.stoette.aendret"]),
        st.integers(0, 1),
        st.sampled_from(["SOF-RUSMIDDEL", "SOF-BCV"]),
        st.none() | st.integers(0, 7),
        st.booleans(),
    ),
    min_size=2,
    max_size=8,
)


async def fates(intake, consent, people: list[UUID], events, *, told: bool) -> list[str]:
    ids, found = [str(uuid4()) for _ in range(8)], []
    for place, (kind, person, unit, corrects, annulled) in enumerate(events):
        more = {} if corrects is None else {"corrects": ids[corrects], **({"annulled": True} if annulled else {})}
        one = event(kind, people[person], unit, id=ids[place], case_reference="SOF-26-7", **more)
        consent.openings[one.id] = [opening(people[person])] if told else []
        try:
            await intake.take(one)
            found.append("accepted")
        except PoisonRecordError as error:
            found.append(error.reason)
    return found


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(EVENTS)
async def test_the_fates_are_the_same_whether_anybody_was_told(intake, consent, events):
    alike = []
    for told in (True, False):
        people = [uuid4(), uuid4()]
        if told:
            await intake.take(*(case_opened(one, f"BIF-26-{next(NUMBERS)}") for one in people))
        alike.append(await fates(intake, consent, people, events, told=told))
    assert alike[0] == alike[1]


async def test_a_correction_that_names_no_such_event_is_parked_and_nothing_is_taken_away(intake, consent, database):
    people = [uuid4(), uuid4()]
    await intake.take(case_opened(people[0]))
    kind, unit = "sof.rusmiddel.opstartet", "SOF-RUSMIDDEL"
    events = [
        (kind, 0, unit, None, False),
        (kind, 1, unit, 0, True),
        (kind, 0, "SOF-BCV", 0, True),
        (kind, 0, unit, 7, True),
    ]
    found = await fates(intake, consent, people, events, told=True)
    assert found == ["accepted", "corrects_another", "corrects_another", "corrects_unknown"]
    assert [row.state for row in await rows(database, "SELECT state FROM notification")] == ["unread"]


async def test_one_batch_is_judged_as_its_events_one_by_one(intake):
    person = uuid4()
    first = event("sof.rusmiddel.opstartet", person, "SOF-RUSMIDDEL")
    right = event("sof.rusmiddel.opstartet", person, "SOF-RUSMIDDEL", corrects=first.id)
    again = event("sof.rusmiddel.opstartet", person, "SOF-RUSMIDDEL", corrects=right.id, annulled=True)
    await intake.take(first, right, again)
