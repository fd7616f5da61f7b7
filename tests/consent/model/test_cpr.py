"""R28 and P10: every number that may exist is served, whatever its control digit, and none is ever shown."""

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consent.model.cpr import born_by, century, parse
from services.consent.model.errors import CprError
from tests.consent.world.people import adult, number

WEIGHTS = (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
CHILDREN = st.dates(min_value=date(2000, 1, 1), max_value=date(2057, 12, 31))
THE_LONG_DEAD = st.dates(min_value=date(1858, 1, 1), max_value=date(1899, 12, 31))


@given(st.one_of(CHILDREN, THE_LONG_DEAD))
def test_a_replacement_number_gives_its_date_of_birth(born: date):
    parsed = parse(number(born))
    assert (parsed.birth_date, parsed.replacement) == (born, True)


def test_a_number_that_fails_modulus_11_is_served_like_any_other():
    divisible = set()
    for _ in range(40):
        digits = adult()
        parsed = parse(digits)
        divisible.add(sum(w * int(d) for w, d in zip(WEIGHTS, parsed.digits, strict=True)) % 11 == 0)
    assert divisible == {True, False}


# cpr.dk's table (R28), row by row: seventh digit, first and last year of the row, century.
TABLE = [
    *((digit, 0, 99, 1900) for digit in range(4)),
    (4, 0, 36, 2000),
    (4, 37, 99, 1900),
    *((digit, 0, 57, 2000) for digit in range(5, 9)),
    *((digit, 58, 99, 1800) for digit in range(5, 9)),
    (9, 0, 36, 2000),
    (9, 37, 99, 1900),
]


@pytest.mark.parametrize(("digit", "first", "last", "expected"), TABLE)
def test_the_century_is_the_one_of_the_register(digit: int, first: int, last: int, expected: int):
    assert {century(digit, first), century(digit, last)} == {expected}


def test_the_table_covers_every_number():
    covered = [(digit, year) for digit, first, last, _ in TABLE for year in range(first, last + 1)]
    assert sorted(covered) == [(digit, year) for digit in range(10) for year in range(100)]


def test_a_hyphen_and_spaces_around_are_welcome():
    digits = adult()
    assert parse(f" {digits[:6]}-{digits[6:]} ").digits == digits


@pytest.mark.parametrize(
    "spoil", [lambda n: n[:9], lambda n: n + "1", lambda n: "A" + n[1:], lambda n: n[:5] + "-" + n[5:]]
)
def test_what_is_not_ten_digits_is_refused_without_being_repeated(spoil):
    text = spoil(adult())
    with pytest.raises(CprError) as refused:
        parse(text)
    assert text not in f"{refused.value}{refused.value!r}{refused.value.message}"
    assert refused.value.field == "cpr"


@pytest.mark.parametrize(
    ("day", "month"), [("00", "01"), ("92", "01"), ("60", "01"), ("61", "13"), ("90", "02"), ("32", "01")]
)
def test_a_date_that_does_not_exist_is_refused(day: str, month: str):
    with pytest.raises(CprError):
        parse(f"{day}{month}805001")


def test_29_february_exists_in_leap_years_only():
    assert parse("8902" + "805001").birth_date == date(1880, 2, 29)
    with pytest.raises(CprError):
        parse("8902" + "815001")


@given(st.text(max_size=14))
def test_any_other_text_is_refused_or_parsed_but_never_crashes(text: str):
    with suppress(CprError):
        assert len(parse(text).digits) == 10


def test_a_number_is_not_shown_when_printed():
    digits = adult()
    parsed = parse(digits)
    assert digits not in f"{parsed} {parsed!r}"
    assert "1880" not in repr(parsed)


@given(CHILDREN, st.integers(-400, 400))
def test_nobody_is_born_on_a_day_that_lies_ahead(born: date, days: int):
    """F37: of two numbers that differ in the seventh digit one makes an adult a child of 2036 or 2057."""
    child, today = parse(number(born)), born + timedelta(days=days)
    if today >= born:
        assert born_by(child, today) is child
    else:
        with pytest.raises(CprError) as refused:
            born_by(child, today)
        assert refused.value.field == "cpr"
