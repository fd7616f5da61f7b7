"""Cases, states, attempts and the wire form of a doorbell, with plain values."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.advis.cases.cases import Case, CaseChange, Registry, Step
from services.advis.doorbells import webhook
from services.advis.model.errors import CaseOwnerError, TransitionError
from services.advis.model.reach import Reach
from services.advis.notifications import doorbell, notification
from services.advis.notifications.doorbell import Answer, DoorbellAct, Verdict

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NUMBERS = count(1)
PERSON, OTHER = UUID(int=1), UUID(int=2)


def change(step: Step, minute: int, caseworker: str | None = "bif101", who: UUID = PERSON) -> CaseChange:
    at = NOW + timedelta(minutes=minute)
    event = ("source", str(next(NUMBERS)))
    return CaseChange(step, "BIF-KANTEN", "BIF-26-1", who, caseworker=caseworker, at=at, event=event)


def after(*changes: CaseChange) -> Case:
    registry = Registry({}, {})
    for one in changes:
        registry.apply(one)
    (case,) = registry.changed
    return case


def test_a_case_is_opened_handed_over_and_closed():
    opened = after(change(Step.OPENED, 0))
    assert opened.is_open
    moved = after(change(Step.OPENED, 0), change(Step.HANDED_OVER, 1, "bif202"))
    assert (moved.caseworker, moved.is_open) == ("bif202", True)
    assert not after(change(Step.OPENED, 0), change(Step.CLOSED, 2, None)).is_open


def test_a_late_event_does_not_undo_a_newer_one():
    steps = [
        change(Step.OPENED, 0),
        change(Step.HANDED_OVER, 3, "bif202"),
        change(Step.OPENED, 4),
        change(Step.CLOSED, 5, None),
    ]
    in_order = after(*steps)
    assert not in_order.is_open
    assert all(after(*order) == in_order for order in permutations(steps))


def test_a_case_opened_again_is_open_from_then_on():
    again = after(change(Step.OPENED, 0), change(Step.CLOSED, 5), change(Step.OPENED, 9))
    assert again.is_open
    assert again.opened_at == NOW + timedelta(minutes=9)


def test_a_reference_never_moves_to_another_citizen():
    with pytest.raises(CaseOwnerError):
        after(change(Step.OPENED, 0), change(Step.HANDED_OVER, 1, who=OTHER))


@pytest.mark.parametrize("state", notification.State)
def test_every_notification_can_be_cancelled_and_nothing_leaves_cancelled(state):
    assert notification.after(state, notification.Act.CANCEL) is notification.State.CANCELLED
    if state is notification.State.CANCELLED:
        for act in (notification.Act.OPEN, notification.Act.HANDLE):
            with pytest.raises(TransitionError):
                notification.after(state, act)


def test_opening_what_is_handled_does_not_make_it_unhandled():
    assert notification.after(notification.State.HANDLED, notification.Act.OPEN) is notification.State.HANDLED


@pytest.mark.parametrize(
    "state", [state for state in doorbell.DoorbellState if state is not doorbell.DoorbellState.DUE]
)
@pytest.mark.parametrize("act", DoorbellAct)
def test_a_doorbell_that_is_done_stays_done(state, act):
    with pytest.raises(TransitionError):
        doorbell.after(state, act)


def test_a_doorbell_rings_three_times_at_growing_distance_and_is_given_up():
    away = Answer(Reach.UNKNOWN)
    assert doorbell.judge(away, 1, NOW) == Verdict(DoorbellAct.RETRY, NOW + timedelta(seconds=5))
    assert doorbell.judge(away, 2, NOW) == Verdict(DoorbellAct.RETRY, NOW + timedelta(minutes=5))
    assert doorbell.judge(away, 3, NOW) == Verdict(DoorbellAct.GIVE_UP)


@given(st.integers(100, 599), st.integers(1, 3))
def test_only_2xx_is_a_success_and_410_ends_it(status, attempts):
    verdict = doorbell.judge(Answer(Reach.DISCLOSED, status), attempts, NOW)
    assert (verdict.act is DoorbellAct.RING) == (200 <= status < 300)
    if status == 410:
        assert verdict.act is DoorbellAct.GIVE_UP


@given(
    st.uuids(),
    st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1)),  # noqa: DTZ001 - the strategy adds the zone
)
def test_every_doorbell_has_the_same_shape_and_length(doorbell_id, moment):
    content = webhook.body(doorbell_id, moment)
    assert len(content) == len(webhook.body(UUID(int=0), NOW))
    assert set(json.loads(content)) == {"id", "type", "timestamp"}
    assert json.loads(content)["type"] == "advis.available"


@pytest.mark.parametrize("secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused(secret):
    with pytest.raises(ValueError, match="secret"):
        webhook.key_of(secret)
