"""What a service's OpenAPI document says beside what the framework reads off the routes."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel

from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import is_marked
from libs.common.http.problems import (
    FROM_THE_CONNECTION,
    MEDIA_TYPE,
    ConflictError,
    ForbiddenError,
    InvalidError,
    MethodNotAllowedError,
    NotAcceptableError,
    NotFoundError,
    PreconditionError,
    PreconditionRequiredError,
    Problem,
    QuotaError,
    SlowBodyError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnforeseenError,
    UnsupportedMediaTypeError,
)

_KINDS: tuple[type[Problem], ...] = (
    *(Problem, UnauthenticatedError, ForbiddenError, NotFoundError, MethodNotAllowedError, NotAcceptableError),
    *(SlowBodyError, ConflictError, PreconditionError, TooLargeError, UnsupportedMediaTypeError, InvalidError),
    *(PreconditionRequiredError, QuotaError, UnforeseenError, UnavailableError),
)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": title, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, title in sorted({**{kind.status: kind.title for kind in _KINDS}, **FROM_THE_CONNECTION}.items())
}
"""`responses=PROBLEMS` on a FastAPI app or router declares these answers in its OpenAPI document."""

COMPONENT = "#/components/schemas/"
_FIELD_ERROR = {
    "type": "object",
    "required": ["field", "message"],
    "properties": {
        "field": {"type": "string"},
        "message": {"type": "string"},
        "known": {"type": "array", "items": {"type": "string"}},
    },
}
_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457 problem document; `correlation_id` in a 500 only.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "correlation_id": {"type": "string"},
        "errors": {"type": "array", "items": _FIELD_ERROR},
    },
}


def operation_id(route: APIRoute) -> str:
    """The name of an operation in its document and in every client made from it: `grantConsent` of `grant_consent`."""
    return to_camel(route.name)


def body_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: media type → the type that describes the body."""
    described = {media_type: {"schema": _schema_of(kind)} for media_type, kind in content.items()}
    return {"requestBody": {"required": True, "content": described}}


def _schema_of(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema(ref_template=COMPONENT + "{model}")


def name_bodies(document: dict[str, Any]) -> dict[str, Any]:
    """`document` with each body of `body_of` among the named schemas, as the framework does with those it reads."""
    named = document.setdefault("components", {}).setdefault("schemas", {})
    for operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            found = schema.pop("$defs", {})
            if schema.get("type") == "object" and "title" in schema:
                content["schema"] = {"$ref": COMPONENT + schema["title"]}
                found |= {schema["title"]: schema}
            for name, one in found.items():
                assert named.setdefault(name, one) == one, f"two schemas are called {name}"
    return document


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of an OpenAPI document."""
    return (operation for methods in document.get("paths", {}).values() for operation in methods.values())


def complete(app: FastAPI) -> None:
    """Let `app.openapi()` say the rest too: the schema of a problem, and no status that an operation cannot give."""
    describe = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        document = name_bodies(drop_never_given(deepcopy(describe())))
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def drop_never_given(document: dict[str, Any]) -> dict[str, Any]:
    """`document` (OpenAPI) without the refusals that an operation declares and cannot give; changed in place."""
    for operation in operations(document):
        for status in _never_given(operation):
            operation["responses"].pop(status, None)
    return document


def _never_given(operation: Mapping[str, Any]) -> set[str]:
    """Refusals of a caller where all may call; those of a header that the operation does not read."""
    headers = {one["name"].lower() for one in operation.get("parameters", ()) if one["in"] == "header"}
    caller = set() if "security" in operation else {"401", "403", "429"}
    limit = {"429"} if is_marked(operation, WAY_TO_STOP) else set()
    form = set() if "accept" in headers else {"406"}
    return caller | limit | form | (set() if "if-match" in headers else {"412", "428"})
