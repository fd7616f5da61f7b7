"""What must be refused, by the form of a field; and one value of each form that is taken."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import find
from hypothesis.strategies import from_regex, sampled_from

from openapi.door_cells import Cell, Schema
from openapi.door_forms import form_of
from tests import hostile

LETTERS = sampled_from("abcdefghABCDEFGH0123456789-_.:/~@+")

NOBODYS_NUMBER = "6" + "70158-" + "5000"  # a replacement number (day + 60) of a day that is no day
PLAIN = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "date-time": "2026-11-01T12:00:00Z",
    "date": "2026-11-01",
}
OTHER_TYPES = (True, 7, 1.5, ["x"], {"x": "y"})
NO_WORDS = ("no such word", "", 7, True, [], "\x00")
OUR_RECORD = "bus audit.entries"  # what only our own services write; a personal number in it is masked there
LINES = "a\nb"
PROSE_MIN = 1_000  # characters; a text that may be longer is prose, and may have lines
NOT_TEXT = (*OTHER_TYPES, "a\x00b", LINES, "\u202eabc", "   ", "\u200b")

OTHER_FORMS = (f"{{{PLAIN['uuid']}}}", f"urn:uuid:{PLAIN['uuid']}", PLAIN["uuid"].replace("-", ""))  # of one thing
UUIDS = (*OTHER_FORMS, "x", "", 7, True, PLAIN["uuid"] + "\n", f"evt{NOBODYS_NUMBER}", "\x00", [])


def example(schema: Schema) -> Any:
    """A value of a leaf that is taken, as far as its form alone decides."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "string":
        return _text_like(schema)
    if kind == "integer":
        return max(1, int(schema.get("minimum", 1)))
    return {"boolean": True, "array": [], "object": {}, "number": 1}.get(str(kind))


def _text_like(schema: Schema) -> str:
    if schema.get("format") in PLAIN:
        return PLAIN[schema["format"]]
    if "pattern" in schema:
        return of_pattern(schema["pattern"], schema.get("minLength", 0))
    return "abcdefghij"


@cache
def of_pattern(pattern: str, least: int) -> str:
    """The simplest text that a pattern takes."""
    found: str = find(
        from_regex(pattern, fullmatch=True, alphabet=LETTERS), lambda text: len(text.strip()) >= max(1, least)
    )
    return found


def refused(cell: Cell) -> tuple[Any, ...]:
    """JSON values that the field must not take."""
    form = form_of(cell)
    assert form is not None, f"{cell.door}: {cell.field} has no form"
    schema = cell.schema
    in_address = cell.place in {"path", "query"}
    by_name: Mapping[str, tuple[Any, ...]] = {
        "moment": hostile.MOMENTS,
        "day": hostile.DAYS,
        "true or false": hostile.SWITCHES if in_address else hostile.FLAGS,
        "whole number within bounds": (*(hostile.DECIMALS if in_address else hostile.WHOLES), 2**70, -(2**70)),
        "UUID": UUIDS,
        "closed list": tuple(value for value in NO_WORDS if value is not schema.get("const")),
        "cursor": ("x", "12", "bm90IG91cnM", "\x00", "A" * 5000),
        "list within a length": ("x", 7, {"x": 1}, [example({"type": "string"})] * (schema.get("maxItems", 0) + 1)),
        "foreign JSON": ("x", 7, [1]),
    }
    if cell.door == OUR_RECORD and "maxLength" in schema:
        blank = ("a b",) if "actor" in cell.field else ()
        return (*OTHER_TYPES, "a\x00b", LINES, *blank, "x" * (schema["maxLength"] + 1))
    if form.name == "code of a pattern":
        taken = str(example(schema))
        return (*NOT_TEXT, taken + "\n", NOBODYS_NUMBER, "x" * 300, "")
    if form.name == "text within a length":
        least = schema.get("minLength", 0)
        wrong = (*NOT_TEXT, "x" * (schema["maxLength"] + 1), f"evt{NOBODYS_NUMBER}x", *([""] if least else []))
        return tuple(value for value in wrong if value != LINES or schema["maxLength"] < PROSE_MIN)
    return by_name[form.name]
