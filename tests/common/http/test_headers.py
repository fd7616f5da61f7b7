"""Header fields in their own grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.http.headers import best, is_media_type, joined, preferences, string_or_token

JSON, PDF, JWS = "application/json", "application/pdf", "application/jose"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (PDF, PDF),
        ("APPLICATION/PDF", PDF),
        (f"{JSON};q=0.5, {PDF}", PDF),
        (f"{JSON};q=0.5, */*;q=0.9", PDF),  # the most specific range gives the weight, not the greatest
        (f"{JSON};q=0, */*", PDF),
        (f"application/*;q=0, {JSON}", JSON),
        ("text/html", None),
        ("*/*;q=0", None),
        (f"{PDF};q=2", None),
        (f"{PDF};q=nan, {JSON};q=0.001", JSON),
        (f'text/html;level="1,{PDF}", {JSON}', JSON),
        (f"{PDF};version=1;q=0.2, {JSON};q=0.1", PDF),
        (",,;;q=1,", None),
    ],
)
def test_what_is_preferred_of_what_there_is(accept: str, chosen: str | None) -> None:
    assert best([JSON, PDF], accept) == chosen


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_whatever_it_holds_makes_anything_fail(one: str, two: str) -> None:
    assert best([JSON, PDF], one) in {JSON, PDF, None}
    assert all(0 <= weight <= 1 for _, weight in preferences(one))
    assert isinstance(string_or_token(two), str)
    is_media_type(one.replace("\r", "").replace("\n", ""), JSON)


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ('"8e03978e-40d5-43e8"', "8e03978e-40d5-43e8"),
        ("8e03978e-40d5-43e8", "8e03978e-40d5-43e8"),  # no token of RFC 8941, and what most clients send
        ("abc_12345", "abc_12345"),
        ('"abc_12345";v=1', "abc_12345"),
        ('  "abc_12345" ', "abc_12345"),
        ('"unclosed12', '"unclosed12'),
        ('"a" "b"', '"a" "b"'),
        ("12345678", "12345678"),
        ("?1", "?1"),
        (":AAAA:", ":AAAA:"),
    ],
)
def test_a_key_is_the_same_quoted_or_not(sent: str, key: str) -> None:
    assert string_or_token(sent) == key


def test_lists_are_joined_and_singles_are_not() -> None:
    raw = [(b"accept", b"a/b"), (b"host", b"x"), (b"accept", b"c/d"), (b"cookie", b"1"), (b"cookie", b"2")]
    assert joined(raw) == ([(b"host", b"x"), (b"cookie", b"1"), (b"cookie", b"2"), (b"accept", b"a/b, c/d")], None)
    assert joined([(b"idempotency-key", b"1"), (b"idempotency-key", b"1")])[1] == "idempotency-key"
    assert joined([(b"content-encoding", b""), (b"content-encoding", b"gzip")])[1] == "content-encoding"
