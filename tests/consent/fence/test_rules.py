"""The fence's rules as values: epochs, coverage, leases, and whom to order fenced."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consent.decision.epochs import (
    PERMIT_TRANSITIONS,
    Pair,
    PermitState,
    Waiting,
    broken,
    current_epoch,
    floor_of,
    is_covered,
    lease_ms,
    next_epoch,
    next_pause_ms,
    overdue_holders,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
A, B, C = Pair("SOF-BCV", "BOLIG"), Pair("SOF-BCV", "PLANER"), Pair("BIF-CAB", "PLANER")
EPOCHS = st.integers(min_value=0, max_value=2**50)
GENERATIONS = st.integers(min_value=0, max_value=2**10)


@given(EPOCHS, GENERATIONS)
def test_a_change_gives_an_epoch_above_every_one_before_it(stored: int, generation: int) -> None:
    assert next_epoch(stored, generation) > current_epoch(stored, generation) >= stored


@given(EPOCHS, GENERATIONS)
def test_raising_the_generation_outdates_every_epoch_handed_out_before(stored: int, generation: int) -> None:
    before = current_epoch(stored % floor_of(generation + 1), generation)
    assert before < floor_of(generation + 1)
    assert not is_covered(0, arrived=before, current=floor_of(generation + 1), generation=generation + 1)


def test_what_arrived_since_the_coverage_began_is_covered_and_not_only_at_that_epoch() -> None:
    assert is_covered(5, arrived=5, current=9, generation=0)
    assert is_covered(5, arrived=7, current=9, generation=0)


@pytest.mark.parametrize(("since", "arrived"), [(None, 7), (8, 7), (5, 10)])
def test_never_covered_covered_later_or_from_the_future_is_not(since: int | None, arrived: int) -> None:
    assert not is_covered(since, arrived=arrived, current=9, generation=0)


def test_only_what_is_yes_both_before_and_after_keeps_its_coverage() -> None:
    assert broken([A, B], [A, C], [A, B, C]) == {B, C}


def test_what_is_no_before_and_after_is_covered_anew_too() -> None:
    assert broken([], [], [A]) == {A}


def test_a_lease_is_the_longest_allowed_when_nothing_ends_sooner() -> None:
    assert lease_ms(NOW, longest_ms=5_000, ends_at=[None, NOW + timedelta(days=1)]) == 5_000


def test_a_lease_ends_with_the_earliest_of_what_it_rests_on() -> None:
    ends = [NOW + timedelta(seconds=3), NOW + timedelta(milliseconds=1, microseconds=999)]
    assert lease_ms(NOW, longest_ms=5_000, ends_at=ends) == 1
    assert lease_ms(NOW, longest_ms=5_000, ends_at=[NOW - timedelta(seconds=1)]) <= 0


def test_a_holder_is_overdue_only_after_lease_and_margin() -> None:
    late, patient = uuid4(), uuid4()
    waiting = [
        Waiting(uuid4(), late, NOW - timedelta(milliseconds=501)),
        Waiting(uuid4(), late, NOW - timedelta(milliseconds=900)),
        Waiting(uuid4(), patient, NOW - timedelta(milliseconds=500)),
    ]
    assert overdue_holders(waiting, now=NOW, margin_ms=500) == [late]


def test_nobody_is_overdue_while_nothing_waits() -> None:
    assert overdue_holders([], now=NOW, margin_ms=0) == []


def test_a_drain_pauses_twice_as_long_each_time_up_to_the_longest() -> None:
    pauses, pause = [], 0
    for _ in range(7):
        pause = next_pause_ms(pause, shortest_ms=5, longest_ms=100)
        pauses.append(pause)
    assert pauses == [5, 10, 20, 40, 80, 100, 100]


def test_an_ended_permit_has_nowhere_to_go() -> None:
    assert PERMIT_TRANSITIONS[PermitState.OPEN] == {PermitState.SETTLED, PermitState.DEAD}
    assert not PERMIT_TRANSITIONS[PermitState.SETTLED]
    assert not PERMIT_TRANSITIONS[PermitState.DEAD]
