"""A correction takes the place of what was told, under its opening; who was not told of the wrong one hears nothing."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from libs.common.bus import PoisonRecordError
from services.advis.domain import cases
from services.advis.domain.cases import Case, CaseChange, Step
from tests.advis.examples import CASEWORKER, EPOCH, RECIPIENT, case_opened, event, opening, treatment_started
from tests.advis.reading import rows

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


def change(step: Step, minute: int, **more: object) -> CaseChange:
    said = {"caseworker": "bif101", "at": NOW + timedelta(minutes=minute)} | more
    return CaseChange(step, "BIF-KANTEN", "BIF-26-1", PERSON, **said)  # type: ignore[arg-type]


PERSON = uuid4()
OPEN = cases.apply(change(Step.OPENED, 0), None)
CLOSED = cases.apply(change(Step.CLOSED, 5), OPEN)


@pytest.mark.parametrize(
    ("case", "correction", "open_again", "caseworker"),
    [
        (CLOSED, change(Step.CLOSED, 1, corrects=True, annulled=True), True, "bif101"),
        (CLOSED, change(Step.CLOSED, 3, corrects=True), False, "bif101"),
        (OPEN, change(Step.OPENED, 0, corrects=True, caseworker="bif202"), True, "bif202"),
        (OPEN, change(Step.OPENED, 0, corrects=True, annulled=True), False, "bif101"),
        (OPEN, change(Step.HANDED_OVER, 0, corrects=True, caseworker="bif202"), True, "bif202"),
    ],
)
def test_a_case_is_what_the_correction_says_however_late(case: Case, correction, open_again, caseworker):
    after = cases.apply(correction, case)
    assert (after.is_open, after.caseworker) == (open_again, caseworker)
    assert after.as_of >= case.as_of
