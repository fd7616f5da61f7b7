"""One net for personal numbers in text, and identifiers that need none because of their form (P10)."""

import unicodedata
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.wire import identifiers

ANY_DAY = st.sampled_from([*range(1, 32), *range(61, 92)])
NUMBERS = st.builds(
    lambda day, month, rest: f"{day:02}{month:02}{rest:06}", ANY_DAY, st.integers(1, 12), st.integers(0, 999_999)
)
NUMBER = "91" + "0290" + "1234"  # 31 February, 60 added: nobody's
BETWEEN = st.text(
    " \t\n-./\\_:,;+\u00a0\u00ad\u2009\u200b\u200d\u2010\u2011\u2013\u2014\u202f\u2060\ufeff\u0301", max_size=3
)
BESIDE = st.text("abfxyzæøåABFXYZ#§\u202e\u0627", max_size=5)
DECIMALS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Nd"]
ZEROS = [zero for zero in DECIMALS if unicodedata.decimal(zero) == 0]


@given(number=NUMBERS, between=st.lists(BETWEEN, min_size=9, max_size=9), zero=st.sampled_from(ZEROS), beside=BESIDE)
@example(number=NUMBER, between=[""] * 9, zero="0", beside="evt")
@example(number=NUMBER, between=["", "-", "", "-", "", "-", "", "", ""], zero="0", beside="x")
@example(number=NUMBER, between=["", "", "", "", "", " ", "", "", ""], zero="\uff10", beside="")
def test_no_separator_no_letter_and_no_alphabet_hides_a_number(
    number: str, between: list[str], zero: str, beside: str
) -> None:
    digits = [chr(ord(zero) + int(digit)) for digit in number]
    hidden = beside + digits[0] + "".join(gap + digit for gap, digit in zip(between, digits[1:], strict=True)) + beside
    assert identifiers.holds_personal_number(hidden)
    assert not identifiers.holds_personal_number(identifiers.mask_personal_numbers(hidden))
    assert not identifiers.is_event_id(hidden)
    assert not identifiers.is_source(f"urn:kk:fasit:{hidden}")
    assert not identifiers.is_identity(hidden)
    assert not identifiers.is_correlation_id(hidden)


@given(before=st.text("0123456789", max_size=4), number=NUMBERS, after=st.text("0123456789", max_size=4))
def test_nor_do_digits_beside_it(before: str, number: str, after: str) -> None:
    assert identifiers.holds_personal_number(f"sag {before}{number}{after}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "33 66 33 66",
        "123456789",
        "99" + "0290" + "1234",
        "91" + "1390" + "1234",
        "12 måneder",
        "§ 11 b, stk. 2",
        "910290, i alt 1234",
        "2026-11-27T12:01:00.912345Z",
        "01KAEXZ9T10123456789012345",
        "64942212",
    ],
)
def test_other_numbers_are_no_personal_numbers(text: str) -> None:
    assert not identifiers.holds_personal_number(text)
    assert identifiers.mask_personal_numbers(text) == text


def test_what_is_masked_is_the_number_alone() -> None:
    assert identifiers.mask_personal_numbers(f"sag {NUMBER[:6]} {NUMBER[6:]}, to") == "sag [masked], to"


def test_a_million_random_uuids_are_all_accepted() -> None:
    assert all(identifiers.is_event_id(str(uuid4())) for _ in range(1_000_000))


def test_nor_is_a_random_id_masked_or_kept_off_the_record() -> None:
    ids = [str(uuid4()) for _ in range(20_000)]
    assert all(identifiers.mask_personal_numbers(f"slot/{one}") == f"slot/{one}" for one in ids)
    assert all(map(identifiers.may_be_recorded, ids))
    assert all(map(identifiers.may_be_recorded, [one.replace("-", "") for one in ids]))


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1042",
        "e1",
        "evt000123",
        "domus-2026-00042",
        "case.events:3:123456",
        "01KAEXZ9T10123456789012345",
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "a" * 31 + "1",
    ],
)
def test_these_identify_an_event(text: str) -> None:
    assert identifiers.is_event_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no-digit",
        "1\n",
        " 1",
        "1 ",
        "-1",
        "1-",
        "a--1",
        "ø1",
        "\u0661",
        "1\x00",
        "1" * 10,
        "x1" * 33,
        f"evt{NUMBER}",
        f"x{NUMBER}y",
        "91-02-90-1234",
        "0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11\n",
        "0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11x",
        f"0101{NUMBER}ABCDEFGHJKMN",
    ],
)
def test_these_do_not(text: str) -> None:
    assert not identifiers.is_event_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "urn:samtykkebro:source:fasit",
        "urn:kk:domus-2",
        "https://fasit.kk.example/events",
        "/fasit/events",
        "http://127.0.0.1:8080/x",
        "urn:uuid:0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11",
    ],
)
def test_these_name_a_source(text: str) -> None:
    assert identifiers.is_source(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fasit",
        "urn:x",
        "urn:kk:fasit\n",
        "urn:kk: fasit",
        "https://hans@kk.example/x",
        "https://kk.example/x?y=1",
        f"urn:kk:fasit:person{NUMBER}",
        "urn:kk:91-02-90:1234",
        "https://kk.example/#x",
        "urn:kk:" + "a" * 200,
    ],
)
def test_these_do_not_name_a_source(text: str) -> None:
    assert not identifiers.is_source(text)


def test_a_correlation_id_says_nothing_about_anybody() -> None:
    good = str(uuid4())
    assert identifiers.is_correlation_id(good)
    assert identifiers.is_correlation_id(uuid4().hex)
    for bad in ("", "abcdefgh", f"{good}\n", f"ref{NUMBER}", uuid4().hex.upper() + "0"):
        assert not identifiers.is_correlation_id(bad)


def test_a_correlation_id_that_is_none_is_replaced_by_one_that_every_service_makes_alike() -> None:
    good = str(uuid4())
    assert identifiers.correlation_of_event("urn:a:b", "1", good) == good
    made = identifiers.correlation_of_event("urn:a:b", "1", f"ref{NUMBER}")
    assert identifiers.is_correlation_id(made)
    assert made == identifiers.correlation_of_event("urn:a:b", "1", "any text")
    assert made != identifiers.correlation_of_event("urn:a:b", "2", "any text")


@pytest.mark.parametrize(
    "text",
    [
        "bif101",
        "a" * 255,
        "auth0|5f7c",
        "hans@kk.example",
        "0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11",
        "0b8f0f0e7a514b439c275d2f1f6c8e11",
    ],
)
def test_these_name_a_caller(text: str) -> None:
    assert identifiers.is_identity(text)


@pytest.mark.parametrize(
    "text", ["", "bif101\n", "\nbif101", "bif 101", "bif\x00", "a" * 256, "bíf", NUMBER, f"u{NUMBER}"]
)
def test_these_do_not_name_a_caller(text: str) -> None:
    assert not identifiers.is_identity(text)


@pytest.mark.parametrize(
    "text", ["BIF\n", "BIF ", "bif", "", "A" * 65, "BIF\u202e", "BIF-1234", "A-910-290-" + "123-4"]
)
def test_these_are_no_unit(text: str) -> None:
    assert not identifiers.is_unit(text)


def test_a_code_is_a_unit() -> None:
    assert identifiers.is_unit("SOF-BCV")
