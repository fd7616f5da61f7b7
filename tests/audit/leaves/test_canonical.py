"""The exact bytes: the same as another implementation's, inside a profile that is enforced."""

import unicodedata
from typing import Any
from uuid import UUID

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.audit.leaves.canonical import canonical
from services.audit.leaves.entry import DEPTH_MAX, INTEGER_MAX
from services.audit.model.errors import ProfileError

names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-INTEGER_MAX, INTEGER_MAX)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=25,
)


@given(values)
def test_whatever_is_in_the_profile_is_written_as_rfc_8785_says(value: Any) -> None:
    try:
        written = canonical(value)
    except ProfileError:
        return
    assert written == rfc8785.dumps(value)
    assert orjson.loads(written) == value


@given(st.text(st.characters(max_codepoint=0x17F, exclude_categories=["Cs"])))
def test_control_characters_and_danish_letters_are_in_the_profile(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    assert canonical(normal) == rfc8785.dumps(normal)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        -0.0,
        float("nan"),
        1e21,
        INTEGER_MAX + 1,
        -INTEGER_MAX - 1,
        "e\u0301",
        "\ud800",
        {"æ": 1},
        {"a\n": 1},
        {"\U0001f600": 1},
        {1: 2},
        b"bytes",
        {1, 2},
        UUID(int=7),
        {"nested": [{"deep": 0.5}]},
        type("Text", (str,), {})("x"),
    ],
    ids=repr,
)
def test_what_two_libraries_might_write_differently_is_refused(value: Any) -> None:
    with pytest.raises(ProfileError):
        canonical(value)
    with pytest.raises(ProfileError):
        canonical({"member": [value]})


def test_depth_has_a_limit() -> None:
    value: Any = "x"
    for _ in range(DEPTH_MAX):
        value = [value]
    canonical(value)
    with pytest.raises(ProfileError, match="too_deep"):
        canonical([[[value]]])


def test_members_are_sorted_and_nothing_is_added() -> None:
    assert canonical({"b": 1, "a": [None, True, "ø"]}) == '{"a":[null,true,"ø"],"b":1}'.encode()
