"""What a service's OpenAPI document says beside what the framework reads off the routes."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute
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

_SCHEMA: dict[str, Any] = orjson.loads("""
{"title": "Problem", "description": "RFC 9457 problem document; `correlation_id` in a 500 only.",
 "type": "object", "required": ["type", "title", "status"], "properties": {
   "type": {"type": "string", "format": "uri"}, "title": {"type": "string"}, "status": {"type": "integer"},
   "detail": {"type": "string"}, "correlation_id": {"type": "string"},
   "errors": {"type": "array", "items": {"type": "object", "required": ["field", "message"], "properties": {
     "field": {"type": "string"}, "message": {"type": "string"},
     "known": {"type": "array", "items": {"type": "string"}}}}}}}
""")


def operation_id(route: APIRoute) -> str:
    """The name of an operation in its document and in every client made from it: `grantConsent` of `grant_consent`."""
    return to_camel(route.name)


def complete(app: FastAPI) -> None:
    """Let `app.openapi()` say the rest too: the schema of a problem, and no status that an operation cannot give."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = drop_never_given(describe())
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def drop_never_given(document: dict[str, Any]) -> dict[str, Any]:
    """`document` (OpenAPI) without the refusals that an operation declares and cannot give; changed in place."""
    for operation in (one for methods in document.get("paths", {}).values() for one in methods.values()):
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
