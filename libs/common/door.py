"""The route of every door: what is checked of a request, in this order, before its body is read.

1. The caller: every gate of the route's dependencies (`auth.Gate`). 401 and 403 come first, whatever the body holds.
2. Fields that have no one meaning because they are there twice: a header or a query parameter of one value, 422.
3. The body's coding and media type, 415 (RFC 9110 §15.5.16).

Then the framework reads the body, strictly (`values.strict_json`).
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from libs.common.auth import Gate
from libs.common.headers import is_media_type, joined
from libs.common.problems import FieldError, InvalidError, MethodNotAllowedError, UnsupportedMediaTypeError
from libs.common.values import strict_json

JSON = "application/json"
DISCLOSES = {"x-discloses": True}
"""`openapi_extra` of a route that tells a recipient something under a permit: it answers no HEAD, which would take a
permit for an answer that is thrown away."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


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
        accepted = self._accepted()
        discloses = is_marked(self.openapi_extra, DISCLOSES)

        async def checked(request: Request) -> Response:
            if discloses and request.scope["state"].get("head"):
                raise MethodNotAllowedError(headers={"Allow": "GET"})
            request.scope["headers"], twice = joined(request.scope["headers"])
            for gate in gates:
                await gate(request)
            _check_fields(request, twice, single)
            _check_content(request, accepted)
            return await handler(_StrictRequest(request.scope, request.receive))

        return checked

    def _accepted(self) -> tuple[str, ...]:
        """The media types of the body that the route reads; empty when it reads none."""
        if self.body_field is not None:
            return (JSON,)
        return tuple((self.openapi_extra or {}).get("requestBody", {}).get("content", {}))


class Router(APIRouter):
    """The router of every door: its routes are `Route`s."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(route_class=Route, **settings)


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
