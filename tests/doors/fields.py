"""Requests with one wrong value, for every field of every HTTP operation, and whether they are refused as they must be.

The operations, their fields and the hostile values are generated: an operation that is added tomorrow is tried too.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx2
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from libs.common.http.auth import Require
from libs.common.running import health
from openapi.door_cells import Cell, Schema, documents
from services.advis import app as advis
from services.audit import app as audit
from services.consent import app as consent
from tests.doors.bodies import spoiled, valid
from tests.doors.hostile import OTHER_FORMS

JSON = "application/json"
OPINIONS = "/access/"  # AuthZEN: what is not known here is answered no, and what cannot be read 400
UNJUDGED = {401, 403, 429}
REFUSED_WHOLE = {"path": {404}, "query": {414}}  # an address that is nobody's, or too long
ROUTERS = {"consent": consent.ROUTERS, "advis": advis.ROUTERS, "audit": audit.ROUTERS}
Bearer = Callable[[str, str], str | None]  # (role that the operation asks for, or "" for none; path) → token


@dataclass(frozen=True)
class Caller:
    """Who calls a service: with which tokens, and what the parameters name that name something there."""

    service: str
    client: httpx2.AsyncClient
    bearer: Bearer
    known: Mapping[str, str]


@dataclass(frozen=True)
class Try:
    """One request with one wrong value."""

    method: str
    path: str
    place: str
    field: str
    value: Any
    options: Mapping[str, Any]


def operations(service: str) -> list[tuple[str, str]]:
    paths = documents()[service]["paths"]
    return [(method.upper(), path) for path, methods in sorted(paths.items()) for method in methods]


def tries(caller: Caller, method: str, path: str, tried: set[str]) -> Iterator[Try]:
    """Every request to the operation that has exactly one wrong value."""
    service, known = caller.service, caller.known
    document = documents()[service]
    definitions = document["components"]["schemas"]
    operation = document["paths"][path][method.lower()]
    door = f"{service} {method} {path}"
    given = {
        place: {
            one["name"]: known.get(one["name"].lower()) or valid(one["schema"], definitions)
            for one in operation.get("parameters", ())
            if one["in"] == place and (one["required"] or one["name"].lower() in caller.known)
        }
        for place in ("path", "query", "header")
    }
    content = operation.get("requestBody", {}).get("content", {}).get(JSON)
    body = None if content is None else valid(content["schema"], definitions)
    for parameter in operation.get("parameters", ()):
        cell = Cell(door, parameter["in"], parameter["name"], {})
        for field, value in spoiled(cell, parameter["schema"], definitions, tried):
            if _can_stand_in(parameter["in"], value):
                changed = {**given, parameter["in"]: {**given[parameter["in"]], parameter["name"]: str(value)}}
                yield Try(method, path, parameter["in"], field, value, _options(changed, body))
    if content is not None:
        for kind, schema in _by_kind(content["schema"]).items():
            of_kind = given if kind is None else {**given, "path": given["path"] | {"kind": kind}}
            for field, value in spoiled(Cell(door, "body", "", {}), schema, definitions, tried):
                yield Try(method, path, "body", field, value, _options(of_kind, value))


def _by_kind(schema: Schema) -> Mapping[str | None, Schema]:
    """A body whose shape a part of the address decides: each shape by that part; else the one shape."""
    mapping = schema.get("discriminator", {}).get("mapping")
    return {None: schema} if mapping is None else {kind: {"$ref": name} for kind, name in mapping.items()}


def _can_stand_in(place: str, value: Any) -> bool:
    """An address holds texts; a header's text has no control characters and is ASCII here."""
    if not isinstance(value, str) or value in {"1", "true"} or (place == "path" and not value):
        return False
    return place != "header" or (value.isascii() and value.isprintable() and value == value.strip())


def _options(given: Mapping[str, Mapping[str, str]], body: Any) -> dict[str, Any]:
    headers = {name: str(value) for name, value in given["header"].items()}
    options: dict[str, Any] = {"path": given["path"], "params": given["query"], "headers": headers}
    if body is not None:
        options |= {"content": json.dumps(body), "headers": headers | {"Content-Type": JSON}}
    return options


async def sent(caller: Caller, one: Try) -> httpx2.Response:
    options = dict(one.options)
    path = one.path
    for name, value in options.pop("path").items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    bearer = caller.bearer(roles_of(caller.service)[one.method, one.path], one.path)
    if bearer is not None:
        options["headers"] = options["headers"] | {"Authorization": f"Bearer {bearer}"}
    return await caller.client.request(one.method, path, **options)


def complaint(one: Try, answer: httpx2.Response) -> str | None:
    """What is wrong with the answer; None where the field was refused as it must be."""
    status = answer.status_code
    if status in UNJUDGED or status >= 500:
        return f"{status}"
    if one.path.startswith(OPINIONS) or one.place == "header":
        return None
    if status in REFUSED_WHOLE.get(one.place, ()) and one.value not in OTHER_FORMS:
        return None
    if status != 422:
        return f"{status}: taken" if status < 400 else f"{status} {answer.text[:100]}"
    named = [str(error["field"]) for error in answer.json().get("errors", ())]
    plain = one.field.replace("[]", "")
    return None if any(_names(name, plain) for name in named) else f"422 names {named}"


def _names(named: str, field: str) -> bool:
    """Whether a refusal's dotted name (with the numbers of list items) is the field or what the field is in."""
    words = iter(named.split("."))
    return named in {"body", "query", field.partition(".")[0]} or all(word in words for word in field.split("."))


async def taken(caller: Caller) -> tuple[int, list[str]]:
    """How many requests with one wrong value were sent, and those that were not refused as they must be."""
    wrong: list[str] = []
    count = 0
    tried: set[str] = set()
    for method, path in operations(caller.service):
        for one in tries(caller, method, path, tried):
            count += 1
            if (said := complaint(one, await sent(caller, one))) is not None:
                wrong.append(f"{method} {path} {one.place} {one.field} = {str(one.value)[:60]!r}: {said}")
    return count, wrong


@cache
def roles_of(service: str) -> Mapping[tuple[str, str], str]:
    """(method, path) → a role that may call it; empty for an operation with another credential or none."""
    found: dict[tuple[str, str], str] = {}
    for router in (*ROUTERS[service], health.router):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            needed = [one.roles for one in _requirements(route.dependant)]
            for method in route.methods:
                found[method, route.path.replace(":path}", "}")] = (
                    _first(frozenset.intersection(*needed)) if needed else ""
                )
    return found


def _first(roles: frozenset[str]) -> str:
    return next((role for role in ("citizen", "caseworker") if role in roles), max(roles))


def _requirements(dependant: Dependant) -> list[Require]:
    own = [dependant.call] if isinstance(dependant.call, Require) else []
    return own + [found for part in dependant.dependencies for found in _requirements(part)]
