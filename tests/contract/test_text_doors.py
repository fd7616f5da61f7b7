"""Every text that a caller can send, found in the code: what it refuses, and why the few exceptions may accept it.

A new field of type `str` at any HTTP door fails here until it has a form: a pattern, `Words()` or `RECORDED`.
"""

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from openapi.applications import applications
from services.advis.tables import metadata as advis_tables
from services.audit.tables import metadata as audit_tables
from services.consent.tables import metadata as consent_tables
from tests import hostile

# Read and never kept, logged or passed on; each is looked at by a parser of its own.
ONLY_READ = {
    "accept": "negotiated against our own media types",
    "accept_language": "negotiated against our own languages",
    "cpr": "the one field that takes a number; parsed, then looked up by a keyed digest",
    "cursor": "opened by its own reader, 422 when it is not one of ours",
    "if_match": "compared with our own tag",
    "prefer": "searched for one word",
    "notification_id": "recorded only when it is a UUID",
}
# The body of AuthZEN is read by `access_requests`: only words that the catalogue knows are recorded.
TABLES = {"consent": consent_tables, "advis": advis_tables, "audit": audit_tables}


def _texts(annotation: Any, metadata: tuple[Any, ...], path: str) -> Iterator[tuple[str, Any]]:
    """Each text inside a type, by its dotted path, as a type of its own with what limits it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _texts(args[0], (*args[1:], *metadata), path)
    elif origin in {Union, types.UnionType}:
        for one in args:
            yield from _texts(one, metadata, path)
    elif origin in {tuple, list, dict, frozenset}:
        for one in args:
            yield from _texts(one, (), path)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from _texts(field.annotation, tuple(field.metadata), f"{path}.{name}")
    elif annotation is str:
        yield path, Annotated[str, *metadata] if metadata else str


def _dependants(service: str) -> Iterator[Dependant]:
    for context in iter_route_contexts(applications()[service].routes):
        if isinstance(context.original_route, APIRoute):
            flat = [context.original_route.dependant]
            for dependant in flat:  # grows while it is walked
                flat += dependant.dependencies
            yield from flat


def _doors() -> dict[str, Any]:
    return {
        path: text
        for service in TABLES
        for dependant in _dependants(service)
        for kind in ("path", "query", "header", "body")
        for field in getattr(dependant, f"{kind}_params")
        for path, text in _texts(
            field.field_info.annotation, tuple(field.field_info.metadata), f"{service} {kind} {field.name}"
        )
    }


DOORS = _doors()
NAMED = {path: text for path, text in DOORS.items() if re.split(r"[ .]", path)[-1] not in ONLY_READ}
PATTERNS = sorted(
    {
        constraint.pattern
        for text in DOORS.values()
        for outer in get_args(text)[1:]
        for constraint in (outer, *getattr(outer, "metadata", ()))
        if isinstance(getattr(constraint, "pattern", None), str)
    }
)


def test_the_doors_are_found() -> None:
    assert {path.split(" ", 1)[0] for path in DOORS} == {"consent", "advis", "audit"}
    assert len(NAMED) > 40
    assert len(PATTERNS) > 8


@pytest.mark.parametrize("path", sorted(NAMED))
def test_no_text_is_accepted_that_is_unreadable_too_long_or_holds_a_number(path: str) -> None:
    adapter = TypeAdapter(NAMED[path])
    accepted = []
    for text in hostile.TEXTS:
        try:
            adapter.validate_python(text)
        except ValidationError:
            continue
        accepted.append(text)
    may_have_lines = {"abcdefgh\n"} if re.search(r"\.(who|what|why|how_long|withdraw)$", path) else set()
    assert set(accepted) <= may_have_lines


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_pattern_lets_a_line_feed_or_another_alphabet_end_it(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS))
    good = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)).rstrip("\n")
    adapter = TypeAdapter(Annotated[str, Field(pattern=pattern)])
    assert adapter.validate_python(good) == good
    for bad in (good + "\n", "\n" + good, good + "\x00", good + "\u202e"):
        with pytest.raises(ValidationError):
            adapter.validate_python(bad)


def test_no_column_is_narrower_than_what_a_door_accepts() -> None:
    narrow = [
        f"{service}.{table.name}.{column.name}"
        for service, metadata in TABLES.items()
        for table in metadata.sorted_tables
        for column in table.columns
        if getattr(column.type, "length", None) is not None
    ]
    assert narrow == []
