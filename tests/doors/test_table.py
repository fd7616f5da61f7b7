"""The table of the doors is whole: each field has a form, each form a check, each check and reading a test."""

from importlib import import_module

import pytest

from libs.common.wire.messages import TOPICS
from openapi import door_forms
from openapi.door_cells import Cell, cells, data_of, readers
from openapi.door_files import READINGS
from openapi.door_forms import FORMS, Form, form_of
from tests.tree import ROOT


def test_every_field_has_a_form() -> None:
    assert not [f"{cell.door}: {cell.place} {cell.field}: {cell.schema}" for cell in cells() if form_of(cell) is None]


def test_every_kind_of_door_is_in_the_table() -> None:
    assert {cell.place for cell in cells()} >= {"path", "query", "header", "body", "data", "claim", "argument"}
    assert {cell.door.partition(" ")[0] for cell in cells()} >= {"consent", "advis", "audit", "bus", "token"}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_form_is_used_and_its_check_exists(form: Form) -> None:
    module, _, name = form.check.partition(":")
    assert hasattr(import_module(module), name)
    assert any(form_of(cell) is form for cell in cells())


def test_every_test_that_the_table_names_exists() -> None:
    named = {door_forms.test_of(cell) for cell in cells()} | {reading.test for reading in READINGS.values()}
    assert not [path for path in sorted(named) if not (ROOT / path).is_file()]


def test_every_topic_has_a_shape() -> None:
    assert all(data_of(topic) for topic in TOPICS)


def test_every_module_that_parses_is_in_the_table_and_nothing_else() -> None:
    assert set(readers()) == set(READINGS)


def test_a_field_without_a_limit_has_no_form() -> None:
    """The table can fail: a text, a number or a list without a bound is nobody's form."""
    for schema in ({"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "array", "items": {}}, {}):
        assert form_of(Cell("consent POST /v1/x", "body", "x", schema)) is None
