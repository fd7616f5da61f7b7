"""Which numbers have come: against a plain set of numbers, whatever the order of arrival."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.log.numbering import Hole, Mark, admit, report
from tests.audit.world.records import NOW

GRACE = timedelta(seconds=30)


def after(numbers: list[int]) -> Mark:
    mark = Mark()
    for number in numbers:
        mark = admit(mark, number, NOW).mark
    return mark


def missing(mark: Mark) -> set[int]:
    return {number for hole in mark.holes for number in range(hole.first, hole.last + 1)}


@given(st.lists(st.integers(1, 30), max_size=60))
def test_a_number_is_new_exactly_once_and_what_is_missing_is_what_never_came(arrivals: list[int]) -> None:
    mark, seen = Mark(), set[int]()
    for number in arrivals:
        admission = admit(mark, number, NOW)
        assert admission.new == (number not in seen)
        seen.add(number)
        mark = admission.mark
        assert mark.highest == max(seen)
        assert missing(mark) == set(range(1, max(seen))) - seen
        assert list(mark.holes) == sorted(mark.holes)


@given(st.permutations(range(1, 13)), st.integers(0, 12))
def test_every_reported_gap_is_closed_once_when_its_last_number_arrives(arrivals: list[int], reported_at: int) -> None:
    mark, opened, closed = Mark(), set(), []
    for at, number in enumerate(arrivals):
        if at == reported_at:
            mark, gaps = report(mark, NOW + GRACE, GRACE)
            opened = set(gaps)
        admission = admit(mark, number, NOW)
        mark = admission.mark
        if admission.closed:
            closed.append(admission.closed)
    assert sorted(closed) == sorted(opened)
    assert mark == Mark(12)


def test_a_lane_that_does_not_begin_at_one_has_a_hole_before_it() -> None:
    assert after([4]).holes == (Hole(1, 3, NOW),)


def test_a_hole_is_not_reported_within_its_grace_and_once_after() -> None:
    mark = after([1, 5])
    assert report(mark, NOW + GRACE - timedelta(microseconds=1), GRACE) == (mark, ())
    reported, gaps = report(mark, NOW + GRACE, GRACE)
    assert gaps == ((2, 4),)
    assert report(reported, NOW + 2 * GRACE, GRACE) == (reported, ())


def test_a_late_number_splits_a_reported_gap_without_opening_or_closing_one() -> None:
    reported, _ = report(after([1, 7]), NOW + GRACE, GRACE)
    admission = admit(reported, 4, NOW)
    assert admission.closed is None
    assert admission.mark.holes == (Hole(2, 3, NOW, (2, 6)), Hole(5, 6, NOW, (2, 6)))
    assert report(admission.mark, NOW + 2 * GRACE, GRACE)[1] == ()


def test_what_was_never_reported_closes_without_a_word() -> None:
    assert admit(after([1, 3]), 2, NOW).closed is None


def test_a_number_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="begin at 1"):
        admit(Mark(), 0, NOW)
