"""Every operation of every service, driven without a server: the application of `openapi.applications`, one request."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from fastapi import FastAPI

from libs.common.http.admission import Admission, Limits
from openapi.applications import applications
from tests.common.world.tokens import Issuer
from tests.declared import require_declared
from tests.unlimited import QUOTAS

ISSUER = Issuer()
SOMEBODY = UUID(int=7)

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Operation:
    """One method at one address, as the OpenAPI document has it."""

    service: str
    method: str
    path: str
    spec: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def address(self) -> str:
        """The path with something in each place that fits it."""
        path = self.path
        for parameter in self.spec.get("parameters", ()):
            if parameter["in"] == "path":
                schema = parameter["schema"]
                fitting = schema.get("enum", [None])[0] or {"integer": "1"}.get(schema.get("type"), str(SOMEBODY))
                path = path.replace(f"{{{parameter['name']}}}", "a/b" if parameter["name"] == "slot" else fitting)
        return path


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    read: bool  # whether the application asked for the request's body

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)


@cache
def doors() -> dict[str, FastAPI]:
    """The applications, with a verifier and with no database behind them."""
    made = applications()
    for app in made.values():
        app.state.verifier = ISSUER.verifier()
        app.state.admission = Admission(Limits(**QUOTAS))
    return made


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(service, method.upper(), path, spec)
        for service, app in doors().items()
        for path, methods in sorted(app.openapi()["paths"].items())
        for method, spec in methods.items()
    )


def bearing(**claims: Any) -> tuple[str, str]:
    """An `Authorization` header whose token holds."""
    return ("Authorization", f"Bearer {ISSUER.token(**claims)}")


async def ask(
    operation: Operation, headers: Headers = (), *, body: bytes = b"", query: str = "", method: str = ""
) -> Answer:
    """One request."""
    read = False

    async def receive() -> dict[str, Any]:
        nonlocal read
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method or operation.method,
        "scheme": "http",
        "path": operation.address,
        "raw_path": operation.address.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await doors()[operation.service](scope, receive, send)  # type: ignore[arg-type]
    found = {name.decode().lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    require_declared(operation.service, scope["method"], operation.address, sent[0]["status"])
    return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]), read)
