"""The administrator's door to the catalogue (R35, R36, R40): versions, ends, mappings, and what the linter says.

An administrator is nobody else: a token that also carries a role that meets citizens' data, or the DPO's, is refused.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path, Response
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request

from libs.common.database.transaction import committed, looked_up
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import FieldError, InvalidError, NotFoundError, PreconditionError, UnavailableError
from libs.common.wire.values import DECIMAL, VERSION_MAX
from services.consent.catalogue.readability import LIX_MAX
from services.consent.catalogue_administration import changes as catalogue_administration_changes
from services.consent.catalogue_administration import history as catalogue_administration_history
from services.consent.catalogue_administration.changes import CatalogueState, LintError, MovedError
from services.consent.catalogue_administration.history import Edit, HistoryError
from services.consent.catalogue_administration.schemas import (
    AdminEntryView,
    AdminPage,
    Ending,
    EntryCode,
    FindingView,
    Kind,
    LintRequest,
    LintView,
    NewVersion,
    Version,
)
from services.consent.catalogue_administration.views import codes, content_of, entry_view, readability
from services.consent.http.callers import actor_of
from services.consent.http.idempotency_store import Answer
from services.consent.http.pages import Page
from services.consent.http.preconditions import IfMatch, Key, check_match, etag_of
from services.consent.http.problems import translated
from services.consent.model.errors import CatalogueError

router = Router(prefix="/v1/admin", tags=["catalogue administration"])

TRIES_MAX = 5  # times that a change is planned anew because another one came first
EXCLUSIVE = frozenset({"dpo", "auditor", "caseworker", "bridge_builder", "leader", "citizen"})
CODE: TypeAdapter[tuple[str]] = TypeAdapter(tuple[str])
Number = Annotated[int, Path(ge=1, le=VERSION_MAX), DECIMAL]
Make = Callable[[CatalogueState], tuple[Edit, dict[str, Any] | None]]


Administrator = Annotated[Principal, Depends(require("administrator", never=EXCLUSIVE))]
"""Who administers, and nothing else (R40)."""


@dataclass(frozen=True, slots=True)
class Write:
    """Who changes something, under which key, made from which state."""

    request: Request
    caller: Administrator
    key: Key
    if_match: IfMatch = None


By = Annotated[Write, Depends()]


@router.get("/catalogue/{kind}", summary="List the catalogue entries of one kind")
async def list_catalogue_entries(request: Request, _caller: Administrator, kind: Kind, page: Page) -> AdminPage:
    """Every entry of a kind with its versions, those not in force too, by code."""
    place = page.place(CODE)
    state = await looked_up(request, catalogue_administration_changes.read)
    rest = [code for code in codes(state, kind) if place is None or code > place[0]]
    shown, following = page.cut(rest, lambda code: (code,))
    return AdminPage(items=tuple(entry_view(state, kind, code) for code in shown), next=following)


@router.get("/catalogue/{kind}/{code}", summary="Read a catalogue entry")
async def read_catalogue_entry(
    request: Request, response: Response, _caller: Administrator, kind: Kind, code: EntryCode
) -> AdminEntryView:
    """One entry. `ETag` goes into the `If-Match` of a change to it."""
    view = entry_view(await looked_up(request, catalogue_administration_changes.read), kind, code)
    if not view.versions:
        raise NotFoundError
    response.headers["ETag"] = etag_of(view)
    return view


@router.post(
    "/catalogue/{kind}/{code}/versions",
    status_code=201,
    response_model=AdminEntryView,
    summary="Add a version of a catalogue entry",
)
async def add_catalogue_version(by: By, kind: Kind, code: EntryCode, body: NewVersion) -> Response:
    """Add the next version, or the first one of a new code (then without `If-Match`). It ends the one before.

    A unit is mapped by a version of `unit_mappings` whose code is the closed unit's.
    """

    def make(state: CatalogueState) -> tuple[Edit, dict[str, Any] | None]:
        versions = state.versions(kind, code)
        edit = catalogue_administration_history.add(
            versions, valid_from=body.valid_from, valid_to=body.valid_to, today=state.today
        )
        return edit, content_of(body, kind, state.catalogue)

    _check_kind(kind, body)
    return await _changed(by, _request(by, kind, code, "version_added", body), make)


@router.put(
    "/catalogue/{kind}/{code}/versions/{version}",
    status_code=201,
    response_model=AdminEntryView,
    summary="Replace a version that has not begun",
)
async def replace_catalogue_version(by: By, kind: Kind, code: EntryCode, version: Number, body: NewVersion) -> Response:
    """Put another version, with the next number, in place of one that has not begun."""

    def make(state: CatalogueState) -> tuple[Edit, dict[str, Any] | None]:
        versions = state.versions(kind, code)
        edit = catalogue_administration_history.replace_future(
            versions, version, valid_from=body.valid_from, valid_to=body.valid_to, today=state.today
        )
        return edit, content_of(body, kind, state.catalogue)

    _check_kind(kind, body)
    asked = _request(by, kind, code, "version_replaced", version, body)
    return await _changed(by, asked, make)


@router.post(
    "/catalogue/{kind}/{code}/versions/{version}:take-back",
    response_model=AdminEntryView,
    summary="Take back a version that has not begun",
)
async def take_back_catalogue_version(by: By, kind: Kind, code: EntryCode, version: Number) -> Response:
    """Let a version that has not begun never begin; the one before it goes on."""

    def make(state: CatalogueState) -> tuple[Edit, dict[str, Any] | None]:
        return catalogue_administration_history.take_back(state.versions(kind, code), version, state.today), None

    asked = _request(by, kind, code, "version_taken_back", version)
    return await _changed(by, asked, make)


@router.post("/catalogue/{kind}/{code}:close", response_model=AdminEntryView, summary="Close a catalogue entry")
async def close_catalogue_entry(by: By, kind: Kind, code: EntryCode, body: Ending) -> Response:
    """Set the day from which an entry is in force no more: today at the earliest, and then at once (P6)."""

    def make(state: CatalogueState) -> tuple[Edit, dict[str, Any] | None]:
        versions = state.versions(kind, code)
        return catalogue_administration_history.close(versions, valid_to=body.valid_to, today=state.today), None

    return await _changed(by, _request(by, kind, code, "entry_closed", body), make)


@router.post("/catalogue:lint", summary="Lint a version of a catalogue entry")
async def lint_catalogue_version(request: Request, _caller: Administrator, body: LintRequest) -> LintView:
    """What adding this version would be refused for, and how easy it is to read. Nothing is written."""
    state = await looked_up(request, catalogue_administration_changes.read)
    kind, sent = body.version.kind, body.version
    content = content_of(sent, kind, state.catalogue)
    try:
        edit = catalogue_administration_history.add(
            state.versions(kind, body.code), valid_from=sent.valid_from, valid_to=sent.valid_to, today=state.today
        )
        tried = catalogue_administration_changes.tried(state, (kind, body.code), edit, content)
    except HistoryError as error:
        findings = (FindingView(rule="history", field=error.field, reason=error.message),)
        return LintView(findings=findings, readability=(), lix_max=LIX_MAX)
    except CatalogueError as error:
        findings = (FindingView(rule="contradiction", field=error.field, reason=error.problem),)
        return LintView(findings=findings, readability=(), lix_max=LIX_MAX)
    entry = tried.after.versions(kind, body.code)[-1]
    return LintView(
        findings=tried.findings,
        readability=readability(entry, tried.after.catalogue),
        lix_max=LIX_MAX,
    )


async def _changed(by: Write, asked: catalogue_administration_changes.CatalogueChange, make: Make) -> Response:
    """Plan, write, and plan again when another change came first; a repeated key is answered before all that."""
    with translated():
        for _ in range(TRIES_MAX):
            repeated = await looked_up(
                by.request, lambda session: catalogue_administration_changes.answered(session, asked)
            )
            if repeated is not None:
                return _answer(repeated)
            state = await looked_up(by.request, catalogue_administration_changes.read)
            planned = _planned(state, asked, make, by.if_match)
            write = partial(catalogue_administration_changes.write, request=asked, planned=planned, shape=_shape(asked))
            with suppress(MovedError):
                return _answer(await committed(by.request, write))
    raise UnavailableError


def _planned(
    state: CatalogueState, asked: catalogue_administration_changes.CatalogueChange, make: Make, if_match: str | None
) -> catalogue_administration_changes.Plan:
    """Raises the problem that a refusal is to the caller: 404, 412, 422, 428."""
    view = entry_view(state, asked.kind, asked.code)
    if view.versions:
        check_match(if_match, etag_of(view))
    elif asked.act != "version_added":
        raise NotFoundError
    elif if_match is not None:
        raise PreconditionError
    try:
        edit, body = make(state)
        return catalogue_administration_changes.plan(state, asked, edit, body)
    except HistoryError as error:
        raise InvalidError(error.field, error.message) from None
    except CatalogueError as error:
        raise InvalidError(error.field, _where(error, asked)) from None
    except LintError as error:
        problem = InvalidError("body", "is refused by the linter")
        problem.errors = tuple(FieldError(item.field, f"{item.rule}: {item.reason}") for item in error.findings)
        raise problem from None


def _where(error: CatalogueError, asked: catalogue_administration_changes.CatalogueChange) -> str:
    own = error.file == f"{asked.kind}.yaml" and error.entry.startswith(f"{asked.code} v")
    return error.problem if own else f"{error.file.removesuffix('.yaml')}/{error.entry}: {error.problem}"


def _check_kind(kind: str, body: Version) -> None:
    if getattr(body, "kind", kind) != kind:
        raise InvalidError("kind", "must be the kind in the address", (kind,))


def _shape(asked: catalogue_administration_changes.CatalogueChange) -> Callable[[CatalogueState], dict[str, Any]]:
    def shape(state: CatalogueState) -> dict[str, Any]:
        view: dict[str, Any] = jsonable_encoder(entry_view(state, asked.kind, asked.code))
        return view

    return shape


def _answer(answer: Answer) -> Response:
    tag = etag_of(AdminEntryView.model_validate(answer.response))
    return Response(orjson.dumps(answer.response), answer.status, {"ETag": tag}, "application/json")


def _request(
    by: Write, kind: str, code: str, act: str, *content: BaseModel | int
) -> catalogue_administration_changes.CatalogueChange:
    said = (item.model_dump_json() if isinstance(item, BaseModel) else str(item) for item in content)
    fingerprint = sha256("\n".join((act, kind, code, *said)).encode()).hexdigest()
    actor = actor_of(by.request, by.caller.subject, "administrator")
    return catalogue_administration_changes.CatalogueChange(actor, act, kind, code, by.key, fingerprint)
