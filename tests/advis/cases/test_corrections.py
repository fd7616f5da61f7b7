"""A correction takes the place of what was told, under its opening; who was not told of the wrong one hears nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.port import PoisonRecordError
from services.advis.cases.cases import Case, CaseChange, Registry, Step
from tests.advis.world.examples import CASEWORKER, EPOCH, RECIPIENT, case_opened, event, opening, treatment_started
from tests.advis.world.reading import rows

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


async def test_a_told_event_is_replaced_by_its_correction_and_the_wrong_one_is_gone(intake, consent, database, advis):
    citizen = uuid4()
    wrong = treatment_started(citizen)
    consent.openings[wrong.id] = [opening(citizen)]
    await intake.take(case_opened(citizen), wrong)
    right = treatment_started(citizen, corrects=wrong.id, annulled=True)
    consent.openings[right.id] = [opening(citizen, "SOF-PSYKIATRI")]  # what consent would say now opens nothing more
    await intake.take(right)
    found = await rows(database, "SELECT event_id, state, reveals, annulled FROM notification ORDER BY state")
    assert [(row.event_id, row.state, row.annulled) for row in found] == [
        (wrong.id, "cancelled", False),
        (right.id, "unread", True),
    ]
    assert found[1].reveals[0]["epoch"] == EPOCH  # the coverage must be unbroken since the wrong one arrived
    (item,) = (await advis.get("/v1/inbox", CASEWORKER, RECIPIENT)).json()["items"]
    (old,) = await rows(database, "SELECT notification_id FROM notification WHERE state = 'cancelled'")
    assert (item["corrects"], item["annulled"]) == (str(old.notification_id), True)


async def test_a_correction_of_what_nobody_was_told_is_told_to_nobody(intake, consent, database):
    citizen = uuid4()
    wrong = treatment_started(citizen)
    await intake.take(case_opened(citizen), wrong)
    right = treatment_started(citizen, corrects=wrong.id)
    consent.openings[right.id] = [opening(citizen)]
    await intake.take(right)
    assert await rows(database, "SELECT 1 FROM notification") == []


async def test_a_correction_of_another_unit_or_persons_event_is_parked(intake, consent, database):
    citizen = uuid4()
    wrong = treatment_started(citizen)
    consent.openings[wrong.id] = [opening(citizen)]
    await intake.take(case_opened(citizen), wrong)
    other = event("sof.rusmiddel.opstartet", citizen, "SOF-BCV", corrects=wrong.id)
    for one in (other, treatment_started(uuid4(), corrects=wrong.id)):
        with pytest.raises(PoisonRecordError, match="corrects_another"):
            await intake.take(one)
    assert [row.state for row in await rows(database, "SELECT state FROM notification")] == ["unread"]


# What a correction does to a case

KEY = ("BIF-KANTEN", "BIF-26-1")
PERSON = uuid4()


def change(step: Step, minute: int, event: int, corrects: int | None = None, **more: Any) -> CaseChange:
    """The step that event number `event` reports, or corrects."""
    said = {"caseworker": None if step is Step.CLOSED else f"bif{event}", "at": NOW + timedelta(minutes=minute)} | more
    earlier = None if corrects is None else ("source", str(corrects))
    return CaseChange(step, *KEY, PERSON, event=("source", str(event)), corrects=earlier, **said)


def drawn(*changes: CaseChange) -> Case | None:
    registry = Registry({}, {})
    for one in changes:
        registry.apply(one)
    return next(iter(registry.changed), None)


def seen(case: Case | None) -> tuple[object, ...] | None:
    """What anybody can see of a case. One that was never opened is closed for everybody."""
    return (case.opened_at, case.closed_at, case.caseworker) if case and case.closed_at != case.opened_at else None


def test_annulling_an_older_closing_leaves_a_case_closed_that_was_closed_again_since():
    steps = [
        change(Step.OPENED, 0, 0),
        change(Step.CLOSED, 1, 1),
        change(Step.OPENED, 2, 2),
        change(Step.CLOSED, 3, 3),
    ]
    case = drawn(*steps, change(Step.CLOSED, 1, 4, corrects=1, annulled=True))
    assert case is not None
    assert (case.opened_at, case.closed_at) == (NOW, NOW + timedelta(minutes=3))
    case = drawn(*steps, change(Step.CLOSED, 3, 4, corrects=3, annulled=True))
    assert case is not None
    assert case.is_open


def test_correcting_an_older_caseworker_leaves_the_case_with_the_newer_one():
    steps = [change(Step.OPENED, 0, 0), change(Step.HANDED_OVER, 1, 1), change(Step.HANDED_OVER, 2, 2)]
    case = drawn(*steps, change(Step.HANDED_OVER, 1, 3, corrects=1))
    assert case is not None
    assert case.caseworker == "bif2"


@given(
    st.lists(st.tuples(st.sampled_from(Step), st.integers(0, 20)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 20)), max_size=4),
)
def test_a_case_is_what_it_would_be_had_the_wrong_steps_never_been_reported(steps, corrections):
    """Each of `corrections`: which step, whether it annuls, and the moment that holds instead."""
    reported = [change(step, minute, event) for event, (step, minute) in enumerate(steps)]
    stands = {one.event: one for one in reported}
    said = list(reported)
    for number, (wrong, annulled, minute) in enumerate(corrections, start=len(steps)):
        if ("source", str(wrong)) not in stands:
            continue
        step = stands.pop(("source", str(wrong))).step
        said.append(change(step, minute, number, corrects=wrong, annulled=annulled))
        if not annulled:
            right = change(step, minute, number)
            stands[right.event] = right
    assert seen(drawn(*said)) == seen(drawn(*stands.values()))


async def test_steps_are_kept_across_batches_and_one_is_taken_back(intake, database):
    citizen = uuid4()
    closings = [
        event("bif.sag.lukket", citizen, RECIPIENT, case_reference="BIF-26-1001", time=NOW + timedelta(hours=hours))
        for hours in (1, 3)
    ]
    opened = case_opened(citizen, time=NOW)
    again = case_opened(citizen, time=NOW + timedelta(hours=2))
    for one in (opened, closings[0], again, closings[1]):
        await intake.take(one)
    more = {"case_reference": "BIF-26-1001", "annulled": True}
    await intake.take(event("bif.sag.lukket", citizen, RECIPIENT, corrects=closings[0].id, **more))
    (case,) = await rows(database, "SELECT opened_at, closed_at FROM case_registry")
    assert (case.opened_at, case.closed_at) == (NOW, NOW + timedelta(hours=3))
    await intake.take(event("bif.sag.lukket", citizen, RECIPIENT, corrects=closings[1].id, **more))
    (case,) = await rows(database, "SELECT closed_at FROM case_registry")
    assert case.closed_at is None


def test_what_was_reported_before_steps_were_kept_is_corrected_by_its_kind():
    before = [change(Step.OPENED, 0, 0), change(Step.CLOSED, 1, 1)]
    case = drawn(*before)
    assert case is not None
    kept = [replace(one, event=("|before", word)) for one, word in zip(before, ("opened", "closed"), strict=True)]
    registry = Registry({KEY: case}, {KEY: kept})
    registry.apply(change(Step.CLOSED, 1, 9, corrects=77, annulled=True))
    (case,) = registry.changed
    assert case.is_open
    assert registry.taken_back == [("|before", "closed")]
