"""The one way a service's HTTP application is made: problems, correlation, limits and headers, the same in all.

1. A request carries a correlation id from here on: the caller's when it is well formed, else a new UUID.
2. A body has a limit, also when it is chunked and announces no length.
3. Nothing is stored by a cache or shown in a frame: every answer is about a person until proven otherwise.
4. Plain ASGI only: one `BaseHTTPMiddleware` costs more than the rest of a request.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs import __version__
from libs.common.database.database import is_away
from libs.common.http.admission import Admission, Limits
from libs.common.http.door import DISCLOSES, BodyLimit, Router, is_marked
from libs.common.http.headers import is_another_path
from libs.common.http.problems import (
    ForbiddenError,
    InvalidError,
    MethodNotAllowedError,
    NotFoundError,
    Problem,
    SlowBodyError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnforeseenError,
    from_validation,
)
from libs.common.observing.log import bind_correlation, get_logger, unbind_correlation
from libs.common.running import health
from libs.common.running.operations import Measured
from libs.common.service import document
from libs.common.wire.identifiers import holds_personal_number, is_correlation_id

BODY_BYTES_MAX = 64 * 1024
CORRELATION_HEADER = "X-Correlation-ID"
REQUEST_ID_HEADER = "X-Request-ID"  # the caller's own: given back as it came, never logged, never stored
REQUEST_ID_CHARACTERS_MAX = 200
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)

_log = get_logger()

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def correlation_id(given: str | None) -> str:
    """`given` when it is a UUID, a ULID or a trace id, since it is logged and goes on the bus; else a new one."""
    return given if given is not None and is_correlation_id(given) else str(uuid4())


def request_id(given: str | None) -> str | None:
    """`given` when it is at most REQUEST_ID_CHARACTERS_MAX printable ASCII characters; else None: not given back."""
    fits = given and len(given) <= REQUEST_ID_CHARACTERS_MAX and given.isascii() and given.isprintable()
    return given if fits else None


# Numbers and moments have a form of their own; the digits of one would now and then read as a personal number.
_TYPED_QUERY = re.compile(r"(?<![^&])(?:from|to|limit|after|before)=[^&]*")
_LEAF_INDEX = re.compile(r"(?<=/entries/)[0-9]+(?=/proof)")


def refused_address(scope: Scope) -> Problem | None:
    """404 for a path, 422 for a query with a personal number (P10); 404 for a path that two readers take for two."""
    if is_another_path(scope.get("raw_path") or b"") or holds_personal_number(_LEAF_INDEX.sub("", scope["path"])):
        return NotFoundError()
    query = unquote_plus(_TYPED_QUERY.sub("", scope["query_string"].decode("latin-1")))
    return InvalidError("query", "must not hold a personal number") if holds_personal_number(query) else None


class Edge:
    """ASGI layer, outermost of ours: correlation id in and out, default headers, HEAD as GET without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the correlation id bound to the logs and in `scope["state"]["correlation_id"]`."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        correlation = correlation_id(_once(headers, CORRELATION_HEADER))
        scope.setdefault("state", {})["correlation_id"] = correlation
        dressed = _dressed(send, correlation, request_id(_once(headers, REQUEST_ID_HEADER)))
        if scope["method"] == "HEAD":
            scope, dressed = {**scope, "method": "GET"}, _bodiless(dressed)
            scope["state"]["head"] = True
        bound = bind_correlation(correlation)
        try:
            refusal = refused_address(scope)
            await (self.app if refusal is None else refusal.response())(scope, receive, dressed)
        finally:
            unbind_correlation(bound)


def _once(headers: Headers, name: str) -> str | None:
    """The value of a header that is there once; two have no one meaning."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else None


def _bodiless(send: Send) -> Send:
    """The answer to HEAD: the fields that GET would have, and nothing after them (RFC 9110 §9.3.2)."""

    async def bodiless(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return bodiless


def _dressed(send: Send, correlation: str, request_id: str | None) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[CORRELATION_HEADER] = correlation
            if request_id is not None:
                headers[REQUEST_ID_HEADER] = request_id
            for name, value in _HEADERS:
                headers.setdefault(name, value)
        await send(message)

    return dressed


class ResponseCutError(Exception):
    """An answer failed after its first byte: the server must close the connection, never pretend it was whole."""


class UnforeseenErrors:
    """ASGI layer: what no handler caught becomes one log line without the exception's own text, and a bare answer.

    503 where the database is away (P9: the caller repeats the same ids), 500 for everything else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; on an unforeseen exception answer 503 or 500, or raise ResponseCutError when an answer has begun."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:  # noqa: BLE001 - this is the one place for what nobody foresaw
            _log.exception("request_failed", method=scope["method"])
            if started:
                raise ResponseCutError from None
            problem = UnavailableError() if is_away(error) else UnforeseenError()
            await problem.response()(scope, receive, send)


_BY_STATUS: dict[int, Callable[[], Problem]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    408: SlowBodyError,
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


def _install(app: FastAPI) -> None:
    """Give `app` these answers. The unforeseen is left to UnforeseenErrors."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


def create_app(
    *,
    title: str,
    service: str,
    lifespan: Lifespan,
    routers: Sequence[Router],
    checks: Mapping[str, health.Check] | None = None,
    components: Mapping[str, health.Component] | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
    limits: Limits | None = None,
) -> FastAPI:
    """A service's application.

    Its lifespan puts `verifier` (auth.TokenVerifier) on `app.state`, and may add to `app.state.checks` (name → async
    function that raises when not ready). The interactive pages are off: they load scripts from elsewhere.
    """
    app = FastAPI(
        title=title,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be built from the request's own Host
        responses=document.PROBLEMS,
        generate_unique_id_function=document.operation_id,
    )
    app.state.service = service
    app.state.admission = Admission(limits or Limits())
    app.state.checks = dict(checks or {})
    app.state.components = dict(components or {})
    app.include_router(health.router)
    for router in routers:
        app.include_router(router)
    _install(app)
    document.complete(app)
    app.add_middleware(BodyLimit, bytes_max=body_bytes_max)  # innermost: Starlette's limit steers by an exception
    app.add_middleware(UnforeseenErrors)
    app.add_middleware(Edge)
    app.add_middleware(Measured)  # added last, so it is the outermost
    return app
