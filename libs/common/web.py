"""The one way a service's HTTP application is made: problems, correlation, limits and headers, the same in all.

1. A request carries a correlation id from here on: the caller's when it is well formed, else a new UUID.
2. A body has a limit, also when it is chunked and announces no length.
3. Nothing is stored by a cache or shown in a frame: every answer is about a person until proven otherwise.
4. Plain ASGI only: one `BaseHTTPMiddleware` costs more than the rest of a request (performance.md §1).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common import health, problem_answers, problems
from libs.common.database import is_away
from libs.common.door import Router
from libs.common.identifiers import is_correlation_id
from libs.common.log import bind_correlation, get_logger, unbind_correlation
from libs.common.operations import Measured

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
            await self.app(scope, receive, dressed)
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


class BodyLimit:
    """ASGI layer: Starlette's body limit, its plain-text refusal replaced by our problem document.

    A route may set its own limit with `max_body_size=` (bytes).
    """

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self.limited = RequestBodyLimitMiddleware(app, bytes_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; a body beyond the limit is answered 413 and the connection closed, its rest unread."""
        refused = False

        async def replaced(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == problems.TooLargeError.status:
                refused = True
                await problems.TooLargeError(headers={"Connection": "close"}).response()(scope, receive, send)
            elif not refused:
                await send(message)

        await self.limited(scope, receive, replaced)


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
            problem = problems.UnavailableError() if is_away(error) else problems.UnforeseenError()
            await problem.response()(scope, receive, send)


def create_app(
    *,
    title: str,
    version: str,
    service: str,
    lifespan: Lifespan,
    routers: Sequence[Router],
    checks: Mapping[str, health.Check] | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> FastAPI:
    """A service's application.

    Its lifespan puts `verifier` (auth.TokenVerifier) on `app.state`, and may add to `app.state.checks` (name → async
    function that raises when not ready). The interactive pages are off: they load scripts from elsewhere.
    """
    app = FastAPI(
        title=title,
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be built from the request's own Host
        responses=problem_answers.PROBLEMS,
    )
    app.state.service = service
    app.state.checks = dict(checks or {})
    app.include_router(health.router)
    for router in routers:
        app.include_router(router)
    problem_answers.install(app)
    app.add_middleware(BodyLimit, bytes_max=body_bytes_max)  # innermost: Starlette's limit steers by an exception
    app.add_middleware(UnforeseenErrors)
    app.add_middleware(Edge)
    app.add_middleware(Measured)  # added last, so it is the outermost
    return app
