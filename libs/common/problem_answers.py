"""How problem documents leave an application, and how they stand in its OpenAPI document."""

from collections.abc import Callable
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from libs.common.door import DISCLOSES, is_marked
from libs.common.problems import (
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
    from_validation,
)

_BY_STATUS: dict[int, Callable[[], Problem]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    413: TooLargeError,
    503: UnavailableError,
}


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return from_validation(error.errors()).response()


async def _on_http(request: Request, error: Exception) -> Response:
    """The framework's own refusals (no route, wrong method, body too large); their texts are not passed on."""
    assert isinstance(error, HTTPException)
    problem = _BY_STATUS.get(error.status_code, Problem)()
    if isinstance(problem, MethodNotAllowedError):
        problem.headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return problem.response()


def _methods_of(request: Request) -> set[str]:
    """What the address of `request` allows: the framework names the methods of the first of its routes only."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(request.scope["path"]):
            methods |= route.methods or set()
            if "GET" in methods and not is_marked(route.openapi_extra, DISCLOSES):
                methods.add("HEAD")
    return methods


_KINDS: tuple[type[Problem], ...] = (
    *(Problem, UnauthenticatedError, ForbiddenError, NotFoundError, MethodNotAllowedError, NotAcceptableError),
    *(SlowBodyError, ConflictError, PreconditionError, TooLargeError, UnsupportedMediaTypeError, InvalidError),
    *(PreconditionRequiredError, QuotaError, UnforeseenError, UnavailableError),
)
FROM_THE_CONNECTION = {414: "URI too long", 431: "Request header fields too large"}  # raised before there is a request
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


def install(app: FastAPI) -> None:
    """Give `app` these answers, and their schema in its OpenAPI. The unforeseen is left to web.UnforeseenErrors."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
