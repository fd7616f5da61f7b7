"""What may be done with versions: whatever is done, in whatever order, no day that has been changes."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consent.catalogue.entries import Unit
from services.consent.catalogue_administration import history as catalogue_administration_history
from services.consent.catalogue_administration.history import Edit, HistoryError, Versions
from services.consent.model.bilingual import Bilingual

START = date(2026, 1, 1)


def unit(version: int, begins: date, ends: date | None) -> Unit:
    return Unit(
        code="X", version=version, valid_from=begins, valid_to=ends, label=Bilingual("x", "x"), source="s",
        administration="SOF", contact="x",
    )  # fmt: skip


def applied(versions: Versions, edit: Edit, begins: date, ends: date | None) -> Versions:
    kept = tuple(replace(v, valid_to=edit.ends[v.version]) if v.version in edit.ends else v for v in versions)
    return kept if edit.version is None else (*kept, unit(edit.version, begins, ends))


def in_force(versions: Versions, day: date) -> list[int]:
    return [item.version for item in versions if item.valid_on(day)]


DOINGS = ("add", "close", "take_back", "replace", "sleep")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["add", "close", "take_back", "replace", "sleep"]), st.integers(-1, 5), st.integers(0, 6)
    ),
    max_size=25,
)


@given(ACTS)
def test_days_that_have_been_never_change_and_one_version_is_in_force_at_most(acts: list[tuple[str, int, int]]) -> None:
    versions: Versions = ()
    today = START
    known: dict[date, list[int]] = {}
    for act, begins, length in acts:
        if act == "sleep":
            today += timedelta(days=1)
            continue
        versions = tried(versions, act, today, (begins, length))
        for day in (START + timedelta(days=offset) for offset in range((today - START).days)):
            assert in_force(versions, day) == known.setdefault(day, in_force(versions, day))
        assert all(len(in_force(versions, today + timedelta(days=ahead))) <= 1 for ahead in range(12))
        assert [item.version for item in versions] == list(range(1, len(versions) + 1))


def tried(versions: Versions, act: str, today: date, numbers: tuple[int, int]) -> Versions:
    begins = today + timedelta(days=numbers[0])
    ends = begins + timedelta(days=numbers[1]) if numbers[1] else None
    last = max((item.version for item in versions), default=0)
    try:
        if act == "add":
            return applied(
                versions,
                catalogue_administration_history.add(versions, valid_from=begins, valid_to=ends, today=today),
                begins,
                ends,
            )
        if act == "close":
            return applied(
                versions, catalogue_administration_history.close(versions, valid_to=ends, today=today), begins, ends
            )
        if act == "take_back":
            return applied(versions, catalogue_administration_history.take_back(versions, last, today), begins, ends)
        edit = catalogue_administration_history.replace_future(
            versions, last, valid_from=begins, valid_to=ends, today=today
        )
        return applied(versions, edit, begins, ends)
    except HistoryError:
        return versions


def test_what_was_closed_today_is_not_open_again_today() -> None:
    for begun in (START, START - timedelta(days=5)):
        versions = (unit(1, begun, START),)
        with pytest.raises(HistoryError) as refused:
            catalogue_administration_history.add(versions, valid_from=START, valid_to=None, today=START)
        assert refused.value.field == "valid_from"
        assert (
            catalogue_administration_history.add(
                versions, valid_from=START + timedelta(days=1), valid_to=None, today=START
            ).version
            == 2
        )


def test_two_versions_do_not_begin_on_one_day() -> None:
    with pytest.raises(HistoryError):
        catalogue_administration_history.add((unit(1, START, None),), valid_from=START, valid_to=None, today=START)


def test_a_version_that_is_taken_back_lets_the_one_before_go_on() -> None:
    later = START + timedelta(days=9)
    edit = catalogue_administration_history.take_back((unit(1, START, later), unit(2, later, None)), 2, START)
    assert edit.ends == {1: None, 2: later}
    with pytest.raises(HistoryError):
        catalogue_administration_history.take_back((unit(1, START, later), unit(2, later, None)), 2, later)
