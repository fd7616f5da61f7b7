"""A cursor tells its holder nothing, and opens only for the reader, the list and the filter that it was made for."""

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, TypeAdapter
from starlette.requests import Request

from libs.common.http.auth import Principal
from libs.common.http.cursors import CURSOR_CHARS_MAX, KEY_BYTES, CursorKeys, CursorKeysError, opened, sealed
from libs.common.http.problems import InvalidError

PLACE = (datetime(2026, 11, 28, 12, tzinfo=UTC), UUID(int=7), "inbox")
FORM: TypeAdapter[tuple[datetime, UUID, str]] = TypeAdapter(tuple[AwareDatetime, UUID, str])
KEYS = CursorKeys.of([os.urandom(KEY_BYTES)])
READER = {"sub": "bif101", "client_id": "portal", "unit": "BIF", "iss": "https://issuer.test"}


def asking(
    *,
    keys: CursorKeys = KEYS,
    claims: dict[str, Any] | None = None,
    path: str = "/v1/citizens/{borger_id}/uses",
    about: str = "1",
    query: str = "",
    unit: str = "",
    method: str = "GET",
) -> Request:
    """A request by a reader for a list."""
    told = READER | (claims or {})
    reader = Principal(
        told["sub"], told["client_id"], frozenset(told.get("roles", ["caseworker"])), told["unit"], "High", told
    )
    return Request(
        {
            "type": "http",
            "method": method,
            "headers": [(b"acting-unit", unit.encode())] if unit else [],
            "query_string": query.encode(),
            "path_params": {"borger_id": about},
            "route": SimpleNamespace(path=path),
            "state": {"principal": reader},
            "app": SimpleNamespace(state=SimpleNamespace(cursors=keys)),
        }
    )


def test_its_own_reader_goes_on_where_the_page_ended():
    assert opened(asking(), sealed(asking(), PLACE), FORM) == PLACE


@pytest.mark.parametrize("query", ["limit=7", "cursor=abc", "language=en", "limit=7&language=da&cursor=x"])
def test_how_a_list_is_shown_is_no_other_list(query: str):
    assert opened(asking(query=query), sealed(asking(), PLACE), FORM) == PLACE


@pytest.mark.parametrize(
    "other",
    [
        {"claims": {"sub": "bif102"}},
        {"claims": {"client_id": "another"}},
        {"claims": {"unit": "SOF"}},
        {"claims": {"iss": "https://other.test"}},
        {"claims": {"roles": ["dpo"]}},
        {"path": "/v1/citizens/{borger_id}/consents"},
        {"about": "2"},
        {"query": "status=active"},
        {"query": "unseen=true&unseen=false"},
        {"unit": "SOF-BCV"},
        {"method": "POST"},
    ],
)
def test_another_readers_or_another_lists_is_refused(other: dict[str, Any]):
    for made, used in ((asking(), asking(**other)), (asking(**other), asking())):
        with pytest.raises(InvalidError) as refused:
            opened(used, sealed(made, PLACE), FORM)
        assert (refused.value.status, refused.value.errors[0].field) == (422, "cursor")


def test_what_was_asked_in_the_body_is_a_filter_too():
    cursor = sealed(asking(), PLACE, asked=["KOORDINERING"])
    assert opened(asking(), cursor, FORM, asked=["KOORDINERING"]) == PLACE
    with pytest.raises(InvalidError):
        opened(asking(), cursor, FORM, asked=["KONTAKT"])


def test_the_key_before_still_opens_and_a_retired_one_does_not():
    old, new, newest = (os.urandom(KEY_BYTES) for _ in range(3))
    cursor = sealed(asking(keys=CursorKeys.of([old])), PLACE)
    rotated = asking(keys=CursorKeys.of([new, old]))
    assert opened(rotated, cursor, FORM) == PLACE
    assert opened(asking(keys=CursorKeys.of([new])), sealed(rotated, PLACE), FORM) == PLACE
    with pytest.raises(InvalidError):
        opened(asking(keys=CursorKeys.of([newest, new])), cursor, FORM)


def test_a_mark_checks_its_own_facts_only_until_its_key_is_retired():
    old, new = (os.urandom(KEY_BYTES) for _ in range(2))
    mark = CursorKeys.of([old]).mark(b"facts")
    assert mark == CursorKeys.of([old]).mark(b"facts")
    rotated = CursorKeys.of([new, old])
    assert rotated.marked(mark, b"facts")
    assert not rotated.marked(mark, b"other facts")
    assert not CursorKeys.of([new]).marked(mark, b"facts")
    assert not rotated.marked(b"", b"facts")


@given(
    st.one_of(
        st.text(max_size=CURSOR_CHARS_MAX), st.binary(max_size=300).map(base64.urlsafe_b64encode).map(bytes.decode)
    )
)
def test_whatever_else_somebody_sends_is_a_422(text: str):
    with pytest.raises(InvalidError):
        opened(asking(), text, FORM)


@given(place=st.integers(0, 300), bit=st.integers(0, 7))
def test_a_changed_bit_is_a_422(place: int, bit: int):
    raw = bytearray(base64.urlsafe_b64decode(sealed(asking(), PLACE) + "=="))
    raw[place % len(raw)] ^= 1 << bit
    with pytest.raises(InvalidError):
        opened(asking(), base64.urlsafe_b64encode(raw).decode().rstrip("="), FORM)


def test_a_place_of_another_form_is_a_422():
    with pytest.raises(InvalidError):
        opened(asking(), sealed(asking(), (1,)), FORM)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.sampled_from(["inbox", "stream", "question"]))
def test_it_shows_nothing_of_its_place_not_even_by_its_length(at: datetime, about: UUID, kind: str):
    cursor = sealed(asking(), (at, about, kind))
    raw = base64.urlsafe_b64decode(cursor + "==")
    assert len(cursor) == len(sealed(asking(), (1,))) <= CURSOR_CHARS_MAX
    assert about.bytes not in raw
    assert str(about).encode() not in raw
    assert at.isoformat().encode() not in raw


def test_the_longest_code_of_the_catalogue_fits():
    code = ("Å" * 80,)
    cursor = sealed(asking(), code)
    assert len(cursor) <= CURSOR_CHARS_MAX
    assert opened(asking(), cursor, TypeAdapter(tuple[str])) == code


def test_the_same_place_is_the_same_cursor_for_its_reader_alone():
    assert sealed(asking(), PLACE) == sealed(asking(), PLACE)
    assert sealed(asking(), PLACE) != sealed(asking(claims={"sub": str(uuid4())}), PLACE)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": ["short"]}',
        '{"keys": "abc"}',
        '{"keys": [1]}',
        json.dumps({"keys": ["AAAA"]}),
    ],
)
def test_a_file_without_a_whole_key_stops_the_start(tmp_path: Path, content: str):
    (tmp_path / "cursor-keys.json").write_text(content)
    with pytest.raises(CursorKeysError):
        CursorKeys.load(tmp_path)
    with pytest.raises(CursorKeysError):
        CursorKeys.load(tmp_path / "absent")
