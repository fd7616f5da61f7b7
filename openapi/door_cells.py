"""Every door of the system and every field that comes in through it, read off the code.

A door is a place where bytes from outside come in: an HTTP operation, a topic of the bus, a file, a token's claims, a
command's arguments. A field is a leaf of what the door takes, with the JSON Schema that the code itself publishes.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import typer
from pydantic import BaseModel
from typer.main import get_command

from libs.cli.__main__ import app as command_line
from libs.common.wire import messages
from openapi.applications import applications

ROOT = Path(__file__).parents[1]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of one door. `field` is dotted, `[]` for a list's items; `schema` is a leaf's JSON Schema."""

    door: str
    place: str
    field: str
    schema: Schema


def resolved(schema: Schema, definitions: Schema) -> Schema:
    """The schema behind a chain of references."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def alternatives(schema: Schema, definitions: Schema) -> list[Schema]:
    """What a value may be, null left out; one item where there is no choice."""
    schema = resolved(schema, definitions)
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return [found for one in schema[union] for found in alternatives(one, definitions)]
    return [] if schema.get("type") == "null" else [schema]


def leaves(schema: Schema, definitions: Schema, field: str = "") -> Iterator[tuple[str, Schema]]:
    """(dotted name, schema) of every leaf; a list is a leaf too, for its length, before what it holds."""
    for one in alternatives(schema, definitions):
        if one.get("type") == "array":
            yield field, one
            yield from leaves(one.get("items", {}), definitions, f"{field}[]")
        elif one.get("properties"):
            for name, inner in one["properties"].items():
                yield from leaves(inner, definitions, f"{field}.{name}".lstrip("."))
        else:
            yield field, one


@cache
def documents() -> dict[str, dict[str, Any]]:
    """Service → its OpenAPI document."""
    return {service: application.openapi() for service, application in applications().items()}


def http_cells() -> Iterator[Cell]:
    """Every parameter and every field of a body, of every operation of the three services."""
    for service, document in documents().items():
        definitions = document["components"]["schemas"]
        for path, methods in sorted(document["paths"].items()):
            for method, operation in methods.items():
                door = f"{service} {method.upper()} {path}"
                for parameter in operation.get("parameters", ()):
                    for field, schema in leaves(parameter["schema"], definitions, parameter["name"]):
                        yield Cell(door, parameter["in"], field, schema)
                for content in operation.get("requestBody", {}).get("content", {}).values():
                    for field, schema in leaves(content["schema"], definitions):
                        yield Cell(door, "body", field, schema)


DATA: Mapping[str, type[BaseModel]] = {
    messages.CASE_EVENTS: messages.CaseEventData,
    messages.CONSENT_EVENTS: messages.ConsentEventData,
    messages.AUDIT_ENTRIES: messages.AuditEntry,
}
"""Topic → the shape of its data; a source's own topic `case.events.<source>` has that of `case.events`."""


def data_of(topic: str) -> type[BaseModel]:
    """The shape of a topic's data. Raises KeyError for a topic that nobody has described here."""
    return DATA[messages.CASE_EVENTS if topic.startswith(f"{messages.CASE_EVENTS}.") else topic]


def bus_cells() -> Iterator[Cell]:
    """Every field of the data of every topic; the envelope and the raw record are the same for all."""
    for topic in messages.TOPICS:
        schema = data_of(topic).model_json_schema()
        for field, leaf in leaves(schema, schema.get("$defs", {})):
            yield Cell(f"bus {topic}", "data", field, leaf)


def command_cells() -> Iterator[Cell]:
    """Every argument and option of every command."""
    root = get_command(command_line)
    yield from _of_command(root, "samtykkebro")


def _of_command(command: Any, name: str) -> Iterator[Cell]:
    if isinstance(command, typer.core.TyperGroup):
        for part, inner in sorted(command.commands.items()):
            yield from _of_command(inner, f"{name} {part}")
        return
    for parameter in command.params:
        if parameter.name != "help":
            kind = _annotation(command.callback, parameter.name)
            yield Cell(name, parameter.param_type_name, str(parameter.name), {"cli": kind})


def _annotation(function: Any, parameter: str) -> str:
    """The type that a command's function declares for a parameter, without `None`."""
    annotation = get_type_hints(function)[parameter]
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType] or [annotation]
    return getattr(kinds[0], "__name__", str(kinds[0]))


def claim_cells() -> Iterator[Cell]:
    """Every claim of a token that any code reads, by its literal name."""
    names = {name for path in _sources() for name in _claims_read(path)}
    for name in sorted(names):
        yield Cell("token", "claim", name, {"claim": name})


def _sources() -> Iterable[Path]:
    return sorted(path for folder in ("services", "libs/common") for path in (ROOT / folder).rglob("*.py"))


def _claims_read(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and _is_claims(node.value) and isinstance(node.slice, ast.Constant):
            yield str(node.slice.value)
        if isinstance(node, ast.Call):
            yield from (str(one.value) for one in node.args if _reads_claim(node) and isinstance(one, ast.Constant))


def _reads_claim(call: ast.Call) -> bool:
    asked = call.func.value if isinstance(call.func, ast.Attribute) else None
    return _is_claims(asked) or any(_is_claims(argument) for argument in call.args)


def _is_claims(node: ast.AST | None) -> bool:
    return (isinstance(node, ast.Name) and node.id == "claims") or (
        isinstance(node, ast.Attribute) and node.attr == "claims"
    )


READS = frozenset(
    {"safe_load", "loads", "read_text", "read_bytes", "model_validate_json", "validate_json", "read_yaml"}
)


def readers() -> dict[str, frozenset[str]]:
    """Module → the calls in it that read a file or parse bytes: each such module belongs to a named door."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted(path for folder in ("services", "libs") for path in (ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and (name := getattr(node.func, "attr", None) or getattr(node.func, "id", None)) in READS
        }
        if calls and "migrations" not in path.parts:
            found[str(path.relative_to(ROOT))] = frozenset(calls)
    return found


@cache
def cells() -> tuple[Cell, ...]:
    """All of them, in the order of the page."""
    return (*http_cells(), *bus_cells(), *claim_cells(), *command_cells())
