"""The life of a consent: only along the table, and one giver's word counts once."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consent.consents.consent import (
    TRANSITIONS,
    ClosedReason,
    Status,
    close,
    declare,
    decline,
    expire,
    withdraw,
)
from services.consent.model.calendar import add_months, age_on, birthday
from services.consent.model.errors import AlreadyDeclaredError, IllegalTransitionError
from tests.consent.world.examples import FATHER, MOTHER, NOW, PETER, a_consent, a_declaration

ACTS = {
    Status.WITHDRAWN: withdraw,
    Status.EXPIRED: expire,
    Status.CLOSED: lambda consent: close(consent, ClosedReason.DEATH),
    Status.DECLINED: decline,
}
ENDED = {Status.WITHDRAWN, Status.EXPIRED, Status.CLOSED, Status.DECLINED}


@pytest.mark.parametrize(("before", "after"), list(product(Status, ACTS)))
def test_an_act_is_possible_exactly_where_the_table_says_so(before: Status, after: Status):
    consent = a_consent(status=before)
    if after in TRANSITIONS[before]:
        moved = ACTS[after](consent)
        assert (moved.status, moved.revision) == (after, consent.revision + 1)
    else:
        with pytest.raises(IllegalTransitionError):
            ACTS[after](consent)


def test_the_table_is_the_diagram_in_the_readme():
    assert {before: sorted(after) for before, after in TRANSITIONS.items() if after} == {
        "requested": ["active", "closed", "declined", "expired", "pending_signature"],
        "pending_signature": ["active", "closed", "declined", "expired", "withdrawn"],
        "active": ["closed", "expired", "withdrawn"],
    }


def test_what_has_ended_never_moves_again_and_everything_else_can_end():
    assert {status for status in Status if not TRANSITIONS[status]} == ENDED
    assert all(TRANSITIONS[status] & ENDED for status in set(Status) - ENDED)
    assert Status.REQUESTED not in set().union(*TRANSITIONS.values())


def asked(**changes):
    fields = {"status": Status.REQUESTED, "declarations": (), "given_at": None, "valid_from": None}
    return a_consent(**{**fields, **changes})


def say_yes(consent, giver, *required, until=None):
    end = until or consent.valid_until
    return declare(consent, a_declaration(giver), required=frozenset(required), until=end, now=NOW)


def test_it_is_in_force_from_the_moment_the_last_required_giver_declares():
    first = say_yes(asked(), MOTHER, MOTHER, FATHER)
    assert (first.status, first.given_at) == (Status.PENDING_SIGNATURE, None)
    second = say_yes(first, FATHER, MOTHER, FATHER)
    assert (second.status, second.given_at, second.valid_from) == (Status.ACTIVE, NOW, NOW)
    assert second.revision == first.revision + 1 == 3


def test_a_third_of_three_is_waited_for():
    first = say_yes(asked(), MOTHER, MOTHER, FATHER, PETER)
    second = say_yes(first, FATHER, MOTHER, FATHER, PETER)
    assert (second.status, second.revision) == (Status.PENDING_SIGNATURE, 3)


def test_where_nobody_can_give_it_no_declaration_is_enough():
    assert say_yes(asked(), PETER).status is Status.PENDING_SIGNATURE


def test_the_same_giver_declares_once():
    waiting = say_yes(asked(), MOTHER, MOTHER, FATHER)
    with pytest.raises(AlreadyDeclaredError):
        say_yes(waiting, MOTHER, MOTHER, FATHER)


@pytest.mark.parametrize("status", [Status.ACTIVE, *sorted(ENDED)])
def test_nothing_is_declared_on_what_is_in_force_or_has_ended(status: Status):
    with pytest.raises(IllegalTransitionError):
        say_yes(asked(status=status), PETER, PETER)


def test_nothing_is_declared_on_what_has_expired_while_it_waited():
    with pytest.raises(IllegalTransitionError):
        say_yes(asked(status=Status.PENDING_SIGNATURE, valid_until=NOW), PETER, PETER)


def test_it_ends_at_the_earliest_that_any_giver_agreed_to():
    first = say_yes(asked(), MOTHER, MOTHER, FATHER, until=NOW + timedelta(days=20))
    second = say_yes(first, FATHER, MOTHER, FATHER, until=NOW + timedelta(days=10))
    assert second.valid_until == NOW + timedelta(days=10)
    later = say_yes(first, FATHER, MOTHER, FATHER, until=NOW + timedelta(days=99))
    assert later.valid_until == NOW + timedelta(days=20)


@pytest.mark.parametrize("change", [{"valid_until": NOW}, {"ceiling_until": NOW}])
def test_past_its_end_an_open_consent_reads_expired_and_an_ended_one_as_it_ended(change: dict):
    assert a_consent(**change).status_at(NOW) is Status.EXPIRED
    assert a_consent(**change).status_at(NOW - timedelta(microseconds=1)) is Status.ACTIVE
    for status in ENDED:
        assert a_consent(status=status, **change).status_at(NOW) is status


@pytest.mark.parametrize(
    "change",
    [
        {"borger_id": MOTHER},
        {"purpose": "KONTAKT"},
        {"holder_unit": "BIF-CAB"},
        {"recipient_unit": "SOF-BCH"},
        {"categories": frozenset({"FREMMOEDE", "UDDANNELSE"})},
        {"text_version": 2},
    ],
)
def test_a_second_giver_says_yes_to_the_very_same_or_to_something_else(change: dict):
    consent = a_consent()
    assert consent.same_content(replace(consent, language="en", text_sha256="1" * 64, valid_until=NOW))
    assert not consent.same_content(replace(consent, **change))


DATES = st.dates(min_value=NOW.date().replace(year=1858), max_value=NOW.date().replace(year=2080))


@given(DATES, st.integers(1, 100))
def test_an_age_is_reached_on_its_birthday_and_not_the_day_before(born, age: int):
    day = birthday(born, age)
    assert age_on(born, day) == age
    assert age_on(born, day - timedelta(days=1)) == age - 1


@given(st.datetimes(min_value=NOW.replace(tzinfo=None)), st.integers(0, 24))
def test_months_are_whole_and_never_more_than_they_say(moment, months: int):
    if moment.year > 9990:
        return
    later = add_months(moment, months)
    assert (later.year * 12 + later.month) - (moment.year * 12 + moment.month) == months
    assert later.time() == moment.time()
    assert later.day <= moment.day
