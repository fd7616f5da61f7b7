"""The standard's three searches: the entities of which an evaluation would answer yes, and no others.

No search enumerates citizens: each is about one, named by the caller. For somebody unknown it finds nothing, as for
somebody who has consented to nothing. A page token holds no state: it carries the limit and the last
result's key, sealed and bound to the caller and to what was asked, which must stay the same from page to page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from libs.common.database.transaction import committed
from libs.common.http.cursors import opened, sealed
from libs.common.http.door import JSON, Router
from libs.common.http.problems import InvalidError
from libs.common.service.document import body_of
from services.consent.access import questions
from services.consent.access.api import BAD_REQUEST, AskedBy
from services.consent.access.evaluate import Caller, Search, search
from services.consent.access.questions import ACTION_NAME, SUBJECT_TYPE, resource_of
from services.consent.access.requests import Document, MalformedError, context, document, entity
from services.consent.access.schemas import ActionSearch, Found, ResourceSearch, SubjectSearch
from services.consent.decision.snapshot import Question

LIMIT_MAX = 1_000  # results in a page; more are never sent, whatever is asked for

router = Router(prefix="/access/v1/search", tags=["access"], responses=BAD_REQUEST)
_TOKEN: TypeAdapter[tuple[int, str]] = TypeAdapter(tuple[int, str])


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a found question is shown as an entity, and the key by which the results are sorted."""

    key: Callable[[Question], str]
    entity: Callable[[Question], dict[str, Any]]


_SUBJECT = _Shape(lambda q: q.recipient_unit, lambda q: {"type": SUBJECT_TYPE, "id": q.recipient_unit})
_ACTION = _Shape(lambda q: q.purpose, lambda q: {"name": ACTION_NAME, "properties": {"purpose": q.purpose}})
_RESOURCE = _Shape(lambda q: f"{q.holder_unit}/{q.category}", resource_of)


@dataclass(frozen=True, slots=True)
class _Page:
    """Which part of the results: those after a key, at most `limit` of them. `asked`: of which search."""

    asked: tuple[object, ...]
    limit: int
    after: str


@router.post(
    "/subject",
    response_model=Found,
    openapi_extra=body_of({JSON: SubjectSearch}),
    summary="Search the units that may receive a resource",
)
async def search_subjects(request: Request, caller: AskedBy) -> Response:
    """Which units may receive this about this citizen, for this purpose, now?"""
    body = await document(request)
    kind = entity(body, "subject", "type")["type"]
    purpose = questions.purpose_of(entity(body, "action", "name"))
    about = questions.information_of(entity(body, "resource", "type", "id"))
    asked = None
    if kind == SUBJECT_TYPE and purpose is not None and about is not None:
        asked = Question(about.borger_id, about.holder_unit, "", purpose, about.category)
    return await _found(request, caller, Search("subject", asked, questions.recipients_of), body=body, shape=_SUBJECT)


@router.post(
    "/action",
    response_model=Found,
    openapi_extra=body_of({JSON: ActionSearch}),
    summary="Search the purposes that a unit may receive a resource for",
)
async def search_actions(request: Request, caller: AskedBy) -> Response:
    """For which purposes may this unit receive this about this citizen, now?"""
    body = await document(request)
    unit = questions.unit_of(entity(body, "subject", "type", "id"))
    about = questions.information_of(entity(body, "resource", "type", "id"))
    asked = None
    if unit is not None and about is not None:
        asked = Question(about.borger_id, about.holder_unit, unit, "", about.category)
    return await _found(request, caller, Search("action", asked, questions.purposes_of), body=body, shape=_ACTION)


@router.post(
    "/resource",
    response_model=Found,
    openapi_extra=body_of({JSON: ResourceSearch}),
    summary="Search the resources that a unit may receive",
)
async def search_resources(request: Request, caller: AskedBy) -> Response:
    """What may this unit receive about the citizen in `resource.properties.borger_id`, for this purpose, now?"""
    body = await document(request)
    unit = questions.unit_of(entity(body, "subject", "type", "id"))
    purpose = questions.purpose_of(entity(body, "action", "name"))
    sought = questions.sought_of(entity(body, "resource", "type"))
    asked = None
    if unit is not None and purpose is not None and sought is not None:
        asked = Question(sought.borger_id, sought.holder_unit, unit, purpose, sought.category)
    return await _found(
        request, caller, Search("resource", asked, questions.information_for), body=body, shape=_RESOURCE
    )


async def _found(request: Request, caller: Caller, wanted: Search, *, body: Document, shape: _Shape) -> Response:
    context(body)
    page = _page(request, body, wanted.sought)
    answers = await committed(request, lambda session: search(session, caller, wanted))
    rows = sorted((shape.key(answer), shape.entity(answer)) for answer in answers)
    rest = [row for row in rows if row[0] > page.after]
    shown = rest[: page.limit]
    answer: dict[str, Any] = {"results": [entity for _, entity in shown]}
    if "page" in body or len(shown) < len(rows):
        more = len(rest) > len(shown)
        after = shown[-1][0] if shown else page.after
        token = sealed(request, (page.limit, after), asked=page.asked) if more else ""
        answer = {"page": {"next_token": token, "count": len(shown), "total": len(rows)}, **answer}
    return Response(orjson.dumps(answer), media_type="application/json")


def _page(request: Request, body: Document, sought: str) -> _Page:
    """The page that is asked for. Raises MalformedError for a token that is not of this very search."""
    asked = body.get("page", {})
    if not isinstance(asked, dict):
        raise MalformedError("page", "must be an object")
    searched = (sought, *(body.get(name) for name in ("subject", "action", "resource", "context")))
    limit = asked.get("limit")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise MalformedError("page.limit", "must be a whole number, 0 or more")
    if asked.get("token", "") == "":
        return _Page(searched, LIMIT_MAX if limit is None else min(limit, LIMIT_MAX), "")
    kept, after = _opened(request, asked["token"], searched)
    if limit not in {None, kept}:
        raise MalformedError("page.token", "belongs to another search")
    return _Page(searched, kept, after)


def _opened(request: Request, token: object, searched: tuple[object, ...]) -> tuple[int, str]:
    try:
        return opened(request, token if isinstance(token, str) else "", _TOKEN, asked=searched)
    except InvalidError:
        raise MalformedError("page.token", "is not one that you were given for this search") from None
