"""Whether an answer has a status that its operation declares: every harness that calls a service asks it."""

import re
from collections.abc import Awaitable, Callable
from functools import cache
from urllib.parse import unquote

import httpx2
import orjson

from openapi.export import HERE

ANYWHERE = {404, 405}  # also of an address or a method that is no operation
Hook = Callable[[httpx2.Response], Awaitable[None]]


def require_declared(service: str, method: str, path: str, status: int) -> None:
    """Raises AssertionError for a status that the OpenAPI document does not have for the operation."""
    declared = _declared(service, "GET" if method == "HEAD" else method, path)
    known = declared is None or status in ANYWHERE or str(status) in declared
    assert known, f"{service} {method} {path} answers {status}, which its document does not declare"


def hooks(service: str) -> dict[str, list[Hook]]:
    """`event_hooks` of a client of the service."""

    async def judge(response: httpx2.Response) -> None:
        request = response.request
        require_declared(
            service, request.method, unquote(request.url.raw_path.decode().partition("?")[0]), response.status_code
        )

    return {"response": [judge]}


def _declared(service: str, method: str, path: str) -> frozenset[str] | None:
    """The statuses of the operation whose template fits best, the one with most text of its own; None for none."""
    fitting = [one for one in _operations(service) if one[0] == method and one[1].fullmatch(path)]
    return max(fitting, key=lambda one: one[2], default=(method, None, 0, None))[3]


@cache
def _operations(service: str) -> tuple[tuple[str, re.Pattern[str], int, frozenset[str]], ...]:
    paths = orjson.loads((HERE / f"{service}.json").read_bytes())["paths"]
    return tuple(
        (method.upper(), _fitting(path), len(re.sub(r"\{[^}]*\}", "", path)), frozenset(operation["responses"]))
        for path, methods in paths.items()
        for method, operation in methods.items()
    )


def _fitting(path: str) -> re.Pattern[str]:
    words = re.split(r"\{[^}]*\}", path)
    return re.compile(".+".join(re.escape(word) for word in words), re.DOTALL)
