"""Door by door and field by field: what has the shape of a moment, a day, a number or a yes and is none, is refused.

The table is made from the code: every operation's body, query, path and headers, and every message of the bus. A new
field of one of these kinds is in it at once, and fails here when it is read leniently.
"""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from libs.common import messages
from openapi.applications import applications
from tests import hostile

IN_JSON = {
    "date-time": hostile.MOMENTS,
    "date": hostile.DAYS,
    "boolean": hostile.FLAGS,
    "integer": hostile.WHOLES,
}
IN_TEXT = {
    **{kind: tuple(one for one in IN_JSON[kind] if isinstance(one, str)) for kind in ("date-time", "date")},
    "boolean": hostile.SWITCHES,
    "integer": hostile.DECIMALS,
}
Cell = tuple[str, str, FieldInfo]  # door, kind, field


def _kinds(field: FieldInfo) -> set[str]:
    schema = _adapter(field).json_schema()
    found = [schema, *schema.get("anyOf", ())]
    return {str(one.get("format", one.get("type"))) for one in found} & IN_JSON.keys()


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _fields(door: str, model: type[BaseModel]) -> Iterator[Cell]:
    for name, field in model.model_fields.items():
        for kind in _kinds(field):
            yield f"{door}.{name}", kind, field
        for inner in _models(field.annotation):
            yield from _fields(f"{door}.{name}", inner)


def _parameters(door: str, dependant: Dependant) -> Iterator[Cell]:
    for parameter in (*dependant.query_params, *dependant.path_params, *dependant.header_params):
        inner = list(_models(parameter.field_info.annotation))
        if inner:
            yield from _fields(f"{door} {parameter.name}", inner[0])
            continue
        for kind in _kinds(parameter.field_info):
            yield f"{door} {parameter.name}", kind, parameter.field_info
    for below in dependant.dependencies:
        yield from _parameters(door, below)


def _operations() -> Iterator[tuple[str, APIRoute]]:
    for service, app in applications().items():
        for context in iter_route_contexts(app.routes):
            if isinstance(context.original_route, APIRoute):
                route = context.original_route
                yield f"{service} {'/'.join(sorted(route.methods))} {route.path}", route


def _bodies() -> list[Cell]:
    cells = [
        cell
        for door, route in _operations()
        for parameter in route.dependant.body_params
        for model in _models(parameter.field_info.annotation)
        for cell in _fields(door, model)
    ]
    bus = (messages.CaseEventData, messages.ConsentEventData, messages.AuditEntry)
    return cells + [cell for model in bus for cell in _fields(f"bus {model.__name__}", model)]


BODIES = _bodies()
PARAMETERS = [cell for door, route in _operations() for cell in _parameters(door, route.dependant)]


def _taken(field: FieldInfo, values: tuple[object, ...]) -> list[object]:
    adapter, taken = _adapter(field), []
    for value in values:
        try:
            adapter.validate_python(value)
        except ValidationError:
            continue
        taken.append(value)
    return taken


def test_the_table_holds_every_kind_of_field() -> None:
    assert {kind for _, kind, _ in BODIES} == IN_JSON.keys()
    assert {kind for _, kind, _ in PARAMETERS} == {"date-time", "boolean", "integer"}
    assert len(BODIES) > 30


@pytest.mark.parametrize(("door", "kind", "field"), BODIES, ids=[f"{door}-{kind}" for door, kind, _ in BODIES])
def test_a_hostile_value_in_a_body_is_refused(door: str, kind: str, field: FieldInfo) -> None:
    assert not _taken(field, IN_JSON[kind]), door


@pytest.mark.parametrize(("door", "kind", "field"), PARAMETERS, ids=[f"{door}-{kind}" for door, kind, _ in PARAMETERS])
def test_a_hostile_text_in_a_query_a_path_or_a_header_is_refused(door: str, kind: str, field: FieldInfo) -> None:
    assert not _taken(field, IN_TEXT[kind]), door
