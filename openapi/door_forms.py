"""What judges a field: its form, told from the JSON Schema that the code publishes; a field without one fails a test.

A form names the check in the code that refuses what does not have it. Whatever has no positive form (free text, foreign
JSON) still has a limit and a net. The test of a cell is the one of its place: it sends every hostile value of the form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from openapi.door_cells import Cell, Schema

TESTS: Final = {
    **dict.fromkeys(("path", "query", "header", "body"), "tests/{service}/test_fields.py"),
    "data": "tests/doors/test_bus_fields.py",
    "claim": "tests/consent/http/test_claims.py",
    **dict.fromkeys(("argument", "option"), "tests/doors/test_command_line.py"),
}
"""Place of a cell → the file of the test that sends hostile values to every cell of that place."""


@dataclass(frozen=True, slots=True)
class Form:
    """`check`: `module:name` of what judges a value of this form."""

    name: str
    check: str
    matches: Callable[[Cell], bool]


def _string(schema: Schema) -> bool:
    return schema.get("type") == "string"


def _format(name: str) -> Callable[[Cell], bool]:
    return lambda cell: _string(cell.schema) and cell.schema.get("format") == name


def _pattern(cell: Cell) -> bool:
    return _string(cell.schema) and "pattern" in cell.schema


def _text(cell: Cell) -> bool:
    return _string(cell.schema) and "maxLength" in cell.schema


def _bounded(cell: Cell) -> bool:
    schema = cell.schema
    low, high = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
    return schema.get("type") == "integer" and all(any(name in schema for name in side) for side in (low, high))


def _typed(kind: str, *needed: str) -> Callable[[Cell], bool]:
    return lambda cell: cell.schema.get("type") == kind and all(name in cell.schema for name in needed)


def _cli(*types: str) -> Callable[[Cell], bool]:
    return lambda cell: cell.schema.get("cli") in types


FORMS: Final = (
    Form("closed list", "pydantic:TypeAdapter", lambda cell: "enum" in cell.schema or "const" in cell.schema),
    Form("true or false", "pydantic:StrictBool", _typed("boolean")),
    Form("whole number within bounds", "pydantic:StrictInt", _bounded),
    Form("UUID", "uuid:UUID", _format("uuid")),
    Form("moment", "libs.common.wire.values:parse_moment", _format("date-time")),
    Form("day", "libs.common.wire.values:parse_day", _format("date")),
    Form("cursor", "libs.common.http.cursors:CursorKeys", lambda cell: cell.field in {"cursor", "page.token"}),
    Form("code of a pattern", "pydantic:StringConstraints", _pattern),
    Form("text within a length", "libs.common.wire.identifiers:holds_personal_number", _text),
    Form("list within a length", "pydantic:TypeAdapter", _typed("array", "maxItems")),
    Form("foreign JSON", "libs.common.wire.values:strict_json", _typed("object")),
    Form("claim", "libs.common.http.auth:TokenVerifier", lambda cell: "claim" in cell.schema),
    Form("file", "pathlib:Path", _cli("Path")),
    Form("switch", "typer:Option", _cli("bool")),
    Form("argument of a type", "typer:Argument", _cli("str", "int", "UUID", "list")),
)
"""In order: the first that matches is the field's form."""


def form_of(cell: Cell) -> Form | None:
    """The form of a field; None where nothing in the code says what it may be."""
    return next((form for form in FORMS if form.matches(cell)), None)


def test_of(cell: Cell) -> str:
    """The file of the cell's test."""
    return TESTS[cell.place].format(service=cell.door.partition(" ")[0])
