"""The model holds as the fence is built, finds what is wrong with every other design, and says so in words."""

import os

import pytest

from tests.fence import report
from tests.fence.checker import search
from tests.fence.designs import BUILT, DEEP, SMALL, UNSAFE, Unsafe
from tests.fence.model import Bounds, Design

DEEPLY = os.environ.get("FENCE_DEEP") == "1"
WORLDS = BUILT | (DEEP if DEEPLY else {})
HAPPENS = {
    "a look finds no older permit",
    "a look orders the holder fenced",
    "the supervisor kills the holder",
    "the death is confirmed",
    "a new incarnation starts",
    "consent is given",
    "consent is renewed",
    "refusal commits",
    "acquire arrives: granted; a copy is under way",
    "acquire arrives: refused, of a dead holder",
    "acquire arrives again: as before",
    "acquire is lost",
    "settle is lost",
    "settle is sent again",
    "settle arrives, its answer is lost",
    "no answer in time: settles not_sent",
    "the lease runs out",
    "the connection is cut",
    "the bytes leave",
    "200",
}


@pytest.mark.timeout(1_200 if DEEPLY else 120)
@pytest.mark.parametrize("world", WORLDS)
def test_as_it_is_built_it_holds_to_the_end(world: str) -> None:
    result = report.built(WORLDS[world])
    print(f"\n{world}: {result.states:,} states")
    assert not result.wrong, "\n".join((result.wrong, *result.trace))


@pytest.mark.parametrize("case", UNSAFE, ids=lambda case: case.name)
def test_an_unsafe_design_is_found_and_the_page_says_how(case: Unsafe) -> None:
    result = report.unsafe(case)
    print(report.section(case))
    assert result.wrong == case.wrong
    assert report.section(case) in report.PAGE.read_text(encoding="utf-8")


def test_time_alone_would_do_if_nothing_could_happen_between_two_instructions() -> None:
    """The model is not one that finds something wrong with everything."""
    assert not report.control().wrong


def test_everything_that_can_happen_happens() -> None:
    seen = frozenset[str]().union(*(report.built(bounds).seen for bounds in BUILT.values()))
    assert not HAPPENS - seen


def test_what_is_tidied_away_never_mattered() -> None:
    """Without the shortcut the same is found, in more states, with the refusals that it leaves out."""
    bounds = Bounds(calls=1, epochs=2)
    whole = search(Design(), bounds, tidy=lambda state, _: state)
    assert (whole.wrong, report.built(bounds).wrong) == ("", "")
    assert whole.states > report.built(bounds).states
    assert {"acquire arrives: the id is used", "acquire arrives: the holder is dead, of a dead holder"} <= whole.seen


@pytest.mark.parametrize("case", [case for case in UNSAFE if case.bounds == SMALL], ids=lambda case: case.name)
def test_what_is_tidied_away_hides_nothing_wrong(case: Unsafe) -> None:
    assert search(case.design, SMALL, tidy=lambda state, _: state).wrong == case.wrong


def test_the_page_is_what_a_run_finds() -> None:
    assert report.page() == report.PAGE.read_text(encoding="utf-8"), "python -m tests.fence.report"
