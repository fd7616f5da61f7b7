"""Openings × subscriptions × open cases: exactly the notifications that all three allow, each once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.advis.arrivals.matching import Due, Opening, due
from services.advis.cases.cases import Case
from services.advis.notifications.notification import Revealed
from services.advis.reference.subscription import Subscription

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TYPE = "sof.rusmiddel.opstartet"
UNITS = st.sampled_from(["BIF-KANTEN", "BIF-CAB", "BIF-UNGE"])
PURPOSES = st.sampled_from(["KOORDINERING", "AFKLARING"])
PEOPLE = st.sampled_from([UUID(int=number) for number in range(1, 5)])

reveals = st.lists(st.builds(Revealed, PEOPLE, st.just("RUSMIDDEL"), st.integers(0, 9)), min_size=1, max_size=2)
openings = st.lists(st.builds(Opening, UNITS, PURPOSES, PEOPLE, reveals.map(tuple)), max_size=12)
subscriptions = st.frozensets(
    st.builds(Subscription, UNITS, st.sampled_from([TYPE, "sof.plan.opdateret"]), PURPOSES), max_size=8
)


@st.composite
def a_case(draw):
    opened = NOW - timedelta(days=draw(st.integers(1, 9)))
    closed = draw(st.sampled_from([None, NOW]))
    reference = f"BIF-26-{draw(st.integers(1, 20))}"
    return Case(draw(UNITS), reference, draw(PEOPLE), "bif101", opened_at=opened, closed_at=closed, as_of=opened)


cases = st.lists(a_case(), max_size=8, unique_by=lambda case: case.unit_key)


@given(openings, subscriptions, cases)
def test_each_due_notification_has_an_opening_a_subscription_and_an_open_case(offered, wanted, registry):
    for one in due(TYPE, offered, wanted, registry):
        assert Opening(one.recipient_unit, one.purpose, one.subject, one.reveals) in offered
        assert Subscription(one.recipient_unit, TYPE, one.purpose) in wanted
        case = next(case for case in registry if case.unit_key == (one.recipient_unit, one.case_reference))
        assert case.is_open
        assert case.borger_id == one.subject


@given(openings, subscriptions, cases)
def test_nothing_that_all_three_allow_is_forgotten_and_nothing_is_due_twice(offered, wanted, registry):
    found = [(one.recipient_unit, one.purpose, one.subject) for one in due(TYPE, offered, wanted, registry)]
    expected = {
        (one.recipient_unit, one.purpose, one.subject)
        for one in offered
        if Subscription(one.recipient_unit, TYPE, one.purpose) in wanted
        and any(c.is_open and c.unit == one.recipient_unit and c.borger_id == one.subject for c in registry)
    }
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(openings, subscriptions, cases, st.randoms())
def test_the_answer_does_not_hang_on_the_order_of_the_registry(offered, wanted, registry, chance):
    shuffled = list(registry)
    chance.shuffle(shuffled)
    assert due(TYPE, offered, wanted, shuffled) == due(TYPE, offered, wanted, registry)


@given(openings, cases)
def test_without_a_subscription_nothing_is_due(offered, registry):
    assert due(TYPE, offered, frozenset(), registry) == ()


@given(subscriptions, cases)
def test_without_an_opening_nothing_is_due(wanted, registry):
    assert due(TYPE, [], wanted, registry) == ()


@given(openings, subscriptions)
def test_without_an_open_case_nothing_is_due(offered, wanted):
    closed = [
        Case("BIF-KANTEN", "BIF-26-1", UUID(int=1), "bif101", opened_at=NOW, closed_at=NOW, as_of=NOW),
    ]
    assert due(TYPE, offered, wanted, closed) == ()


def test_of_several_open_cases_the_one_opened_last_is_told():
    person = UUID(int=1)
    told = (Revealed(person, "RUSMIDDEL", 1),)
    older, newer = (
        Case("BIF-KANTEN", ref, person, "bif101", opened_at=NOW - timedelta(days=age), closed_at=None, as_of=NOW)
        for ref, age in (("BIF-26-1", 9), ("BIF-26-2", 1))
    )
    wanted = {Subscription("BIF-KANTEN", TYPE, "KOORDINERING")}
    offered = [Opening("BIF-KANTEN", "KOORDINERING", person, told)]
    assert due(TYPE, offered, wanted, [newer, older]) == (Due("BIF-KANTEN", "KOORDINERING", person, "BIF-26-2", told),)
