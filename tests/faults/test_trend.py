"""A leak, a backlog and a table that outgrows the work are seen; ten minutes that stay flat are called so."""

import pytest

from tests.faults.document import BEGIN, END, put
from tests.faults.trend import Look, is_grown, summary, trends

LOOKS = 60  # one every ten seconds
MEMORY, UNSENT, OUTBOX = "memory advis-api", "unsent", "advis.outbox"


def looks(memory=lambda _: 120.0, unsent=lambda _: 5.0, outbox=lambda n: 30.0 * n, count: int = LOOKS) -> list[Look]:
    return [
        Look(10.0 * n, 20 * n, {MEMORY: memory(n), UNSENT: unsent(n)}, {OUTBOX: outbox(n)}) for n in range(1, count + 1)
    ]


def grown(found: list[Look]) -> list[str]:
    return [trend.figure for trend in trends(found) if not trend.is_good]


def test_what_holds_still_and_what_grows_with_the_work_is_flat() -> None:
    found = trends(looks(memory=lambda n: 120 + n % 3, unsent=lambda n: 40 * (n % 2)))
    assert {trend.figure: trend.verdict for trend in found} == {MEMORY: "flat", UNSENT: "flat", OUTBOX: "as the work"}
    assert summary(found, 600.0).startswith("flat over 10.0 minutes")


def test_a_cache_that_fills_at_the_beginning_is_no_growth() -> None:
    assert not grown(looks(memory=lambda n: 120 + min(n, 12) * 5))


@pytest.mark.parametrize(
    ("figure", "found"),
    [
        (MEMORY, looks(memory=lambda n: 120 + n / 2)),
        (UNSENT, looks(unsent=lambda n: 4 * n)),
        (OUTBOX, looks(outbox=lambda n: n * n)),
    ],
)
def test_what_grows_with_time_or_faster_than_the_work_is_named(figure: str, found: list[Look]) -> None:
    assert grown(found) == [figure]
    assert summary(trends(found), 600.0) == f"not flat over 10.0 minutes of load: {figure}"


def test_a_short_run_says_that_it_is_too_short() -> None:
    assert "too short to say" in summary(trends(looks()), 90.0)
    leaking = trends(looks(memory=lambda n: 100.0 * n))
    assert [is_grown(leaking, load_s) for load_s in (90.0, 600.0)] == [False, True]
    assert {trend.verdict for trend in trends(looks(count=4))} == {"too few looks"}
    assert "too short to say" in summary([], 600.0)


def test_a_process_that_was_killed_is_another_figure_with_a_beginning_of_its_own() -> None:
    found = [Look(10.0 * n, n, {f"memory a #{n // 30 + 1}": 60.0 + 20 * min(n % 30, 4)}, {}) for n in range(60)]
    assert [trend.figure for trend in trends(found)] == ["memory a #1", "memory a #2"]
    assert not grown(found)


def test_the_page_keeps_what_a_person_wrote(tmp_path) -> None:
    page = tmp_path / "faults.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    put(page, "new")
    put(page, "newer")
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\nnewer\n{END}\nafter\n"
    page.write_text("no place for it", encoding="utf-8")
    with pytest.raises(ValueError, match="no place"):
        put(page, "new")
