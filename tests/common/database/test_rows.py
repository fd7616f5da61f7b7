"""One row that cannot be read is left out, counted and reported, and the list goes on; at each list and each page."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.observing import metrics
from libs.common.running import alarms
from libs.common.running.sweep import Readable, readable

NOW = datetime(2026, 11, 27, tzinfo=UTC)
BAD = [
    (1, datetime.max),  # noqa: DTZ901 - what asyncpg makes of 'infinity'
    (1, datetime.min),  # noqa: DTZ901 - and of '-infinity'
    (1, date.max),
    (1, date.min),
]


def counted() -> float:
    return metrics.REGISTRY.get_sample_value("samtykkebro_unreadable_rows_total", {"list": "test_rows"}) or 0.0


@pytest.mark.parametrize("bad", BAD)
def test_an_infinite_value_of_the_driver_is_left_out_counted_and_reported(bad: tuple[object, ...]) -> None:
    before = counted()
    found = readable([(1, NOW), bad, (2, NOW)], lambda row: row[0], name="test_rows")
    assert (found, found.looked_at) == ((1, 2), 3)
    assert counted() == before + 1
    assert ("unreadable_row", "test_rows") in {(code.value, about) for code, about in alarms._PENDING.take()}


@given(st.lists(st.booleans()))
def test_exactly_what_cannot_be_read_is_left_out(readables: list[bool]) -> None:
    rows = [{"at": NOW.isoformat() if good else "infinity", "place": place} for place, good in enumerate(readables)]
    found = readable(rows, lambda row: (datetime.fromisoformat(row["at"]), row["place"])[1], name="test_rows")
    assert found == tuple(place for place, good in enumerate(readables) if good)
    assert found.looked_at == len(rows)


def test_views_of_a_page_know_how_many_rows_were_looked_at() -> None:
    found = readable([1, 0, 2], lambda row: 10 // row, name="test_rows")
    views = readable(found, str, name="test_rows")
    assert (views, views.looked_at) == (("10", "5"), 3)
    assert views.reaches(3)
    assert not views.reaches(4)
    assert not Readable.of((), 3).reaches(3)


def test_a_fault_that_is_no_fault_of_the_row_is_not_hidden() -> None:
    def broken(_row: int) -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        readable([1], broken, name="test_rows")
