"""Requests made from a published schema: one that is taken as far as forms decide, and all with one wrong value."""

from collections.abc import Iterator
from json import dumps
from typing import Any

from openapi.door_cells import Cell, Schema, alternatives
from tests.doors.hostile import PLAIN, example, refused

AGAIN_MAX = 3  # values of a field that another operation has too, of the same name and schema; a UUID's other forms
WHOLE = {"PersonReference": {"borger_id": PLAIN["uuid"]}}
"""Title → an example of what a schema's fields do not say alone."""


def valid(schema: Schema, definitions: Schema) -> Any:
    """A value of `schema` with every field that is required."""
    one = alternatives(schema, definitions)[0]
    if one.get("title") in WHOLE:
        return WHOLE[one["title"]]
    if one.get("type") == "array":
        return [valid(one["items"], definitions)] * one.get("minItems", 0)
    if one.get("properties"):
        needed = one.get("required", ())
        return {name: valid(inner, definitions) for name, inner in one["properties"].items() if name in needed}
    return example(one)


def spoiled(cell: Cell, schema: Schema, definitions: Schema, tried: set[str]) -> Iterator[tuple[str, Any]]:
    """(dotted field, whole value) for every hostile value of every leaf. `cell` says of which door.

    `tried`: fields that were tried in full already; the same field of another operation is tried with fewer values.
    """
    choices = alternatives(schema, definitions)
    nullable = schema != choices[0] and any(one.get("type") == "null" for one in schema.get("anyOf", ()))
    for one in choices:
        if one.get("type") == "array":
            item = valid(one["items"], definitions)
            yield from _leaf(cell, one, tried, nullable=nullable)
            inner = Cell(cell.door, cell.place, f"{cell.field}[]", {})
            for field, value in spoiled(inner, one["items"], definitions, tried):
                yield field, [item] * max(0, one.get("minItems", 1) - 1) + [value]
        elif one.get("properties"):
            whole = valid(one, definitions)
            for name, part in one["properties"].items():
                inner = Cell(cell.door, cell.place, f"{cell.field}.{name}".lstrip("."), {})
                for field, value in spoiled(inner, part, definitions, tried):
                    yield field, {**whole, name: value}
        elif len(choices) == 1:
            yield from _leaf(cell, one, tried, nullable=nullable)


def _leaf(cell: Cell, schema: Schema, tried: set[str], *, nullable: bool) -> Iterator[tuple[str, Any]]:
    here = Cell(cell.door, cell.place, cell.field, schema)
    values = (*refused(here), *(() if nullable else (None,)))
    same = f"{cell.place} {cell.field.rpartition('.')[2]} {dumps(schema, sort_keys=True)}"
    for value in values[:AGAIN_MAX] if same in tried else values:
        yield cell.field, value
    tried.add(same)
