"""What becomes of a source's events tells it nothing of the people: known or not, with a consent or without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.bus.port import PoisonRecordError, Replay
from services.consent.decision.decide import Reason
from tests.consent.lifecycle.test_corrections import CPR, said
from tests.consent.lifecycle.test_lifecycle import CUSTODY, consumed, decided, delivery, granted
from tests.consent.world.door import Door

NOW = datetime.now(UTC)
KINDS = ("cpr.doedsfald", "cpr.flytning_ud", "cpr.flytning_ind", CUSTODY, "sof.sag.aabnet", "sof.sag.lukket")


@dataclass(frozen=True)
class Said:
    """One event. `person`: which of two; `corrects`: which event before it, or one that there never was."""

    kind: str
    person: int
    case: int
    corrects: int | None
    annulled: bool

    def data(self, people: Sequence[UUID]) -> dict[str, Any]:
        """What it says of these two."""
        data: dict[str, Any] = dict(CPR)
        if ".sag." in self.kind:
            data = {"unit": "SOF-BCV", "case_reference": f"SOF-26-{self.person}{self.case}", "caseworker": "sof101"}
        if self.kind == CUSTODY:
            data["custody_holders"] = [str(people[1 - self.person])]
        return data | ({"annulled": True} if self.annulled and self.corrects is not None else {})


EVENTS = st.lists(
    st.builds(
        Said,
        st.sampled_from(KINDS),
        st.integers(0, 1),
        st.integers(0, 1),
        st.none() | st.integers(0, 7),
        st.booleans(),
    ),
    min_size=2,
    max_size=8,
)


async def fates(door: Door, people: Sequence[UUID], events: Sequence[Said]) -> list[str]:
    """What becomes of each, in the order of `events`."""
    ids, found = [str(uuid4()) for _ in range(8)], []
    for place, one in enumerate(events):
        how = {} if one.corrects is None else {"corrects": ids[one.corrects]}
        try:
            await said(door, one.kind, people[one.person], one.data(people), id=ids[place], **how)
            found.append("accepted")
        except PoisonRecordError as error:
            found.append(error.reason)
    return found


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(EVENTS)
async def test_the_fates_are_the_same_whether_the_people_are_known_have_consented_or_neither(door: Door, events):
    with_consent = [(await granted(door)).borger_id for _ in range(2)]
    known = [(await door.citizen()).borger_id for _ in range(2)]
    strangers = [uuid4(), uuid4()]
    alike = [await fates(door, people, events) for people in (with_consent, known, strangers)]
    assert alike[0] == alike[1] == alike[2]


async def test_a_correction_of_another_person_or_of_what_was_corrected_is_parked_alike_for_strangers(door: Door):
    events = [
        Said("cpr.doedsfald", 0, 0, None, annulled=False),
        Said("cpr.doedsfald", 1, 0, 0, annulled=True),
        Said("cpr.flytning_ud", 0, 0, 0, annulled=False),
        Said("cpr.doedsfald", 0, 0, 7, annulled=True),
        Said("cpr.doedsfald", 0, 0, 0, annulled=True),
        Said("cpr.doedsfald", 0, 0, 0, annulled=True),
    ]
    another, unknown = ["corrects_another"] * 2, ["corrects_unknown"]
    expected = ["accepted", *another, *unknown, "accepted", *unknown]
    for people in ([uuid4(), uuid4()], [(await granted(door)).borger_id for _ in range(2)]):
        assert await fates(door, people, events) == expected


async def test_what_is_kept_to_judge_by_names_nobody_and_is_alike_for_no_two(door: Door):
    stranger = uuid4()
    for _ in range(2):
        await said(door, "cpr.doedsfald", stranger, CPR)
    rows = await door.rows("SELECT mark FROM reported_event")
    assert len({row["mark"] for row in rows}) == 2
    assert not any(stranger.bytes in row["mark"] or str(stranger).encode() in row["mark"] for row in rows)


async def test_what_is_older_than_the_horizon_is_corrected_by_what_the_operator_sends_again(door: Door):
    peter, stranger = (await granted(door)).borger_id, uuid4()
    for person in (peter, stranger):
        death = await said(door, "cpr.doedsfald", person, CPR)
        await door.rows("DELETE FROM reported_event")
        late = delivery("cpr.doedsfald", str(person), CPR | {"annulled": True}, "cpr", corrects=death)
        with pytest.raises(PoisonRecordError, match="corrects_unknown"):
            await consumed(door, late)
        await consumed(door, replace(late, replay=Replay(NOW, NOW)))
    assert await decided(door, peter) is not Reason.DEAD


async def test_what_was_heard_before_there_were_marks_is_corrected_by_its_name(door: Door):
    for person in ((await granted(door)).borger_id, uuid4()):
        death = await said(door, "cpr.doedsfald", person, CPR)
        await door.rows("UPDATE reported_event SET mark = NULL")
        await said(door, "cpr.doedsfald", person, CPR | {"annulled": True}, corrects=death)


async def test_a_correction_is_the_first_word_of_somebody_who_was_unknown_when_it_was_reported(door: Door):
    peter = await granted(door)
    wrong = await said(door, "cpr.doedsfald", peter.borger_id, CPR)
    await door.rows("UPDATE life_fact SET event_id = 'forgotten', corrected_by = 'nobody'")
    await door.rows("UPDATE citizen SET died_on = NULL")
    right = await said(door, "cpr.doedsfald", peter.borger_id, CPR, corrects=wrong)
    assert await decided(door, peter.borger_id) is Reason.DEAD
    await said(door, "cpr.doedsfald", peter.borger_id, CPR | {"annulled": True}, corrects=right)
    assert await decided(door, peter.borger_id) is not Reason.DEAD
