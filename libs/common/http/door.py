"""The route of every door: what is checked of a request, in this order, before its body is read.

1. Whether the process takes it on at all: 503 beyond its requests in flight (`admission`), but for a way to stop.
2. The caller: every gate of the route's dependencies (`auth.Gate`). 401 and 403 come first, whatever the body holds.
3. The caller's quota: 429, but for a way to stop.
4. Fields that have no one meaning because they are there twice: a header or a query parameter of one value, 422.
5. The body's coding and media type, 415 (RFC 9110 §15.5.16).

Then the framework reads the body, strictly (`values.strict_json`) and in time.

A refusal, 403 or 404, is told to the service's recorder (`app.state.refused`) before it is answered: what is on the
record is decided with the answer (R20).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any, get_args
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.http.admission import WAY_TO_STOP, Admission, Kind
from libs.common.http.auth import Gate, Principal
from libs.common.http.headers import is_media_type, joined
from libs.common.http.problems import (
    MEDIA_TYPE,
    FieldError,
    InvalidError,
    MethodNotAllowedError,
    Problem,
    SlowBodyError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from libs.common.wire.identifiers import parse_uuid
from libs.common.wire.values import strict_json

JSON = "application/json"
SYSTEMS = frozenset({"source_system", "recipient_system", "gateway", "advis", "supervisor"})  # roles of no person
DISCLOSES = {"x-discloses": True}
"""`openapi_extra` of a route that tells a recipient something under a permit: it answers no HEAD, which would take a
permit for an answer that is thrown away."""

REFUSED = frozenset({403, 404})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Recorder = Callable[[Request, int], Awaitable[None]]


def is_marked(extra: Mapping[str, Any] | None, marker: Mapping[str, Any]) -> bool:
    """Whether a route whose `openapi_extra` is `extra` carries `marker`."""
    return extra is not None and marker.items() <= extra.items()


class _StrictRequest(Request):
    async def json(self) -> Any:
        """The body as JSON that means one thing. Raises values.JsonError, which the framework answers with 422."""
        return strict_json(await self.body())


class Route(APIRoute):
    """A route that checks the request before its body is read, and reads JSON by `values.strict_json`."""

    def get_route_handler(self) -> Handler:
        """The framework's handler, behind the checks."""
        handler = super().get_route_handler()
        gates = list(dict.fromkeys(_gates(self.dependant)))
        single = frozenset(_single_valued(self.dependant))
        identifying = frozenset(_identifying(self.dependant))
        accepted = self._accepted()
        discloses = is_marked(self.openapi_extra, DISCLOSES)
        stops = is_marked(self.openapi_extra, WAY_TO_STOP)
        kind: Kind = "read" if self.methods == {"GET"} else "write"

        async def checked(request: Request) -> Response:
            if discloses and request.scope["state"].get("head"):
                raise MethodNotAllowedError(headers={"Allow": "GET"})
            admission: Admission = request.app.state.admission
            request.scope["state"]["stops"] = stops
            async with admission.flight(stops=stops):
                request.scope["headers"], twice = joined(request.scope["headers"])
                for caller in [await gate(request) for gate in gates]:
                    if not stops:
                        admission.count(*_counted(caller, kind))
                _check_fields(request, twice, single)
                _check_identifiers(request, identifying)
                _check_content(request, accepted)
                in_time = _in_time(request.receive, admission.limits.body_timeout_s)
                return await handler(_StrictRequest(request.scope, in_time))

        async def recorded(request: Request) -> Response:
            try:
                return await checked(request)
            except Problem as problem:
                record: Recorder | None = getattr(request.app.state, "refused", None)
                if record is not None and problem.status in REFUSED:
                    caller = getattr(request.state, "principal", None)
                    if caller is not None and not stops:
                        admission: Admission = request.app.state.admission
                        admission.count(*_counted(caller, "write"))  # a refusal is written: nobody writes without end
                    await record(request, problem.status)
                raise

        return recorded

    def _accepted(self) -> tuple[str, ...]:
        """The media types of the body that the route reads; empty when it reads none."""
        if self.body_field is not None:
            return (JSON,)
        return tuple((self.openapi_extra or {}).get("requestBody", {}).get("content", {}))


class Router(APIRouter):
    """The router of every door: its routes are `Route`s."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(route_class=Route, **settings)


def _counted(caller: object, kind: Kind) -> tuple[str, Kind]:
    """Under which name a gate's answer is counted, and for what: systems and holders apart from people."""
    if not isinstance(caller, Principal):
        return str(caller), "system"
    name = f"{caller.client_id}\n{caller.subject}"
    return name, "system" if caller.roles & SYSTEMS else kind


def _in_time(receive: Receive, timeout_s: float) -> Receive:
    """`receive`, whose body must have come within `timeout_s` of the first wait for it; else 408."""
    end_s: float | None = None

    async def in_time() -> Message:
        nonlocal end_s
        end_s = end_s or asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout_at(end_s):
                return await receive()
        except TimeoutError:
            # The framework passes its own exceptions on and turns any other into a 400.
            raise HTTPException(SlowBodyError.status) from None

    return in_time


def _gates(dependant: Dependant) -> Iterator[Gate]:
    """Every gate that the framework would pass, in its order."""
    for dependency in dependant.dependencies:
        yield from _gates(dependency)
        if isinstance(dependency.call, Gate):
            yield dependency.call


def _single_valued(dependant: Dependant) -> Iterator[str]:
    """The names of the query parameters, those in a model too; none of ours is a list."""
    for dependency in dependant.dependencies:
        yield from _single_valued(dependency)
    for parameter in dependant.query_params:
        fields = getattr(parameter.field_info.annotation, "model_fields", None)
        yield from [parameter.alias] if fields is None else (field.alias or name for name, field in fields.items())


def _identifying(dependant: Dependant) -> Iterator[str]:
    """The names of the parameters in path and query that are UUIDs, those in a model too."""
    for dependency in dependant.dependencies:
        yield from _identifying(dependency)
    for parameter in (*dependant.path_params, *dependant.query_params):
        annotation = parameter.field_info.annotation
        fields = getattr(annotation, "model_fields", None) or {parameter.alias: parameter.field_info}
        yield from (field.alias or name for name, field in fields.items() if UUID in _kinds(field.annotation))


def _kinds(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) or (annotation,)


def _check_identifiers(request: Request, names: frozenset[str]) -> None:
    """Raises InvalidError for a UUID in another form than its own: one thing has one address."""
    for name, text in (*request.path_params.items(), *request.query_params.items()):
        if name in names:
            try:
                parse_uuid(str(text))
            except ValueError as error:
                raise InvalidError(name, str(error)) from None


def _check_fields(request: Request, twice: str | None, single: frozenset[str]) -> None:
    """Raises InvalidError for a header or query parameter that is there twice."""
    if twice is not None:
        raise InvalidError(twice, "must be sent once")
    seen: set[str] = set()
    for name, _ in parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name in seen and name in single:
            raise InvalidError(name, "must be given once")
        seen.add(name)


def _check_content(request: Request, accepted: tuple[str, ...]) -> None:
    """Raises UnsupportedMediaTypeError for a coded body, or one of another type than the route reads."""
    headers = request.headers
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        coded = FieldError("Content-Encoding", "must be absent: a coded body is not read", ("identity",))
        raise UnsupportedMediaTypeError(errors=[coded], headers={"Accept-Encoding": "identity"})
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if has_body and accepted and not is_media_type(headers.get("content-type", ""), *accepted):
        raise UnsupportedMediaTypeError(errors=[FieldError("Content-Type", "must be one of these", accepted)])


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
            if message["type"] == "http.response.start" and message["status"] == TooLargeError.status:
                headers = MutableHeaders(scope=message)
                if headers.get("content-type") == MEDIA_TYPE:  # a problem already, and counted as one
                    headers["Connection"] = "close"
                    await send(message)
                    return
                refused = True
                await TooLargeError(headers={"Connection": "close"}).response()(scope, receive, send)
            elif not refused:
                await send(message)

        await self.limited(scope, receive, replaced)
