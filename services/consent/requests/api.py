"""The unit's door: ask a citizen for consents, see the state, remind once, take it back (U8, R5, R15, R37).

A citizen whom the unit has no open case about is answered as one whom nobody knows: 404, to the byte.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
from fastapi import Depends, Response
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed
from libs.common.http.door import Router
from libs.common.http.problems import InvalidError, MissingRightError, NotFoundError
from services.consent.citizens import citizens
from services.consent.citizens.vault import Vault
from services.consent.employees.employees import ActingEmployee, actor_for
from services.consent.employees.need_to_know import check_not_their_own
from services.consent.http.callers import told
from services.consent.http.idempotency_store import Answer
from services.consent.http.pages import Page
from services.consent.http.preconditions import IfMatch, Key, check_match, etag_of
from services.consent.http.problems import number_in
from services.consent.http.shapes import TextReference
from services.consent.http.signing import Signer
from services.consent.model.cpr import Cpr
from services.consent.model.errors import CprError
from services.consent.requests import asking, turns
from services.consent.requests.asking import Asking, Requester, Wanted
from services.consent.requests.request import Request as Asked
from services.consent.requests.schemas import ConsentRequest, RequestPage, RequestView, WhoIsAsked
from services.consent.requests.store import PLACE
from services.consent.requests.turns import Turn
from services.consent.settings import Settings

router = Router(prefix="/v1/requests", tags=["requests"])


async def requester(request: Request, by: ActingEmployee) -> Requester:
    """Who asks, in the one unit they act in now. 403 for those who serve anybody: they have no case of their own."""
    if by.serves_anybody:
        raise MissingRightError("Who serves every citizen has no case of their own to ask in.")
    return Requester(by, actor_for(request, by))


ActingRequester = Annotated[Requester, Depends(requester)]


@router.post("", status_code=201, response_model=RequestView, summary="Request a citizen's consent")
async def request_consent(
    request: Request, body: ConsentRequest, by: ActingRequester, idempotency_key: Key
) -> Response:
    """Ask. The citizen is told that something waits, and has `answer_by` to answer; silence is no.

    What could not be granted cannot be asked for: 422 by field. 409 while the same question waits, and for some months
    after a no, with `not_before` and no more.
    """
    number = _number(body.citizen)

    async def work(session: WriteSession) -> Answer | None:
        borger_id = body.citizen.borger_id
        if number is not None:
            vault: Vault = request.app.state.vault
            borger_id = await citizens.find_citizen(session, vault, number)
        if borger_id is not None:
            await check_not_their_own(session, by.employee, borger_id)
        signer: Signer = request.app.state.signer
        return await asking.ask(session, signer, _asking(request, body, by, key=idempotency_key, borger_id=borger_id))

    with told():
        answer = await committed(request, work)
    if answer is None:
        raise NotFoundError
    return _sent(answer)


@router.get("", summary="List the unit's consent requests")
async def list_requests(request: Request, by: ActingRequester, page: Page) -> RequestPage:
    """The unit's own requests, newest first, about citizens it has an open case about."""
    found, now = await committed(
        request, lambda session: asking.list_requests(session, by, after=page.after, limit=page.wanted)
    )
    return RequestPage.cut(found, page, view=lambda item: request_view(item, now), key=PLACE, name="requests")


@router.get("/{request_id}", summary="Read a consent request")
async def read_request(request: Request, response: Response, by: ActingRequester, request_id: UUID) -> RequestView:
    """One request of the unit's. `ETag` is of what is shown: nothing that is not shown changes it."""
    found = await committed(request, lambda session: asking.read_request(session, by, request_id))
    if found is None:
        raise NotFoundError
    view = request_view(*found)
    response.headers["ETag"] = etag_of(view)
    return view


@router.post("/{request_id}:remind", response_model=RequestView, summary="Remind the citizen of a consent request")
async def remind_of_request(
    request: Request, by: ActingRequester, request_id: UUID, idempotency_key: Key, if_match: IfMatch = None
) -> Response:
    """Tell the citizen once more that it waits. 409 the second time, and too soon after it was asked."""
    settings: Settings = request.app.state.settings
    turn, after = _turn(by, request_id, idempotency_key, act="remind", if_match=if_match), settings.request_remind_days
    with told():
        answer = await committed(
            request,
            lambda session: turns.remind_citizen(session, turn, after=timedelta(days=after)),
        )
    if answer is None:
        raise NotFoundError
    return _sent(answer)


@router.post("/{request_id}:cancel", response_model=RequestView, summary="Cancel a consent request")
async def cancel_request(
    request: Request, by: ActingRequester, request_id: UUID, idempotency_key: Key, if_match: IfMatch = None
) -> Response:
    """Take back what has not been answered. 409 when nothing waits any more."""
    signer: Signer = request.app.state.signer
    turn = _turn(by, request_id, idempotency_key, act="cancel", if_match=if_match)
    with told():
        answer = await committed(request, lambda session: turns.cancel_request(session, signer, turn))
    if answer is None:
        raise NotFoundError
    return _sent(answer)


def _number(citizen: WhoIsAsked) -> Cpr | None:
    """The number, when that is how the citizen is named. 422 for neither, both, or what is no number."""
    if (citizen.borger_id is None) == (citizen.cpr is None):
        raise InvalidError("citizen", "must hold exactly one of borger_id and cpr")
    try:
        return None if citizen.cpr is None else number_in(citizen.cpr)
    except CprError as error:
        raise InvalidError("citizen.cpr", error.message) from None


def _asking(request: Request, body: ConsentRequest, by: Requester, *, key: str, borger_id: UUID | None) -> Asking:
    settings: Settings = request.app.state.settings
    # Never over the body as sent: a hash of a CPR number is as good as the number (R29).
    content = f"request\n{by.unit}\n{borger_id}\n{body.model_dump_json(exclude={'citizen'})}"
    return Asking(
        borger_id=borger_id,
        by=by,
        purpose=body.purpose,
        items=tuple(Wanted(item.holder_unit, item.recipient_unit, frozenset(item.categories)) for item in body.items),
        language=body.language,
        text_version=body.text_version,
        case_reference=body.case_reference,
        key=key,
        request_sha256=sha256(content.encode()).hexdigest(),
        days=settings.request_answer_days,
        new_id=uuid4,
        shape=_shape,
    )


def _turn(by: Requester, request_id: UUID, key: str, *, act: str, if_match: str | None) -> Turn:
    return Turn(
        by=by,
        request_id=request_id,
        key=key,
        request_sha256=sha256(f"{act}\n{by.unit}\n{request_id}".encode()).hexdigest(),
        precondition=_precondition(if_match),
        new_id=uuid4,
        shape=_shape,
    )


def _precondition(if_match: str | None) -> Callable[[Asked, datetime], None]:
    return lambda found, now: check_match(if_match, etag_of(request_view(found, now)))


def _shape(found: Asked, now: datetime) -> dict[str, Any]:
    shaped: dict[str, Any] = jsonable_encoder(request_view(found, now))
    return shaped


def _sent(answer: Answer) -> Response:
    view = RequestView.model_validate(answer.response)
    headers = {"ETag": etag_of(view)}
    return Response(orjson.dumps(answer.response), answer.status, headers, media_type="application/json")


def request_view(found: Asked, now: datetime) -> RequestView:
    """A request as its unit may see it at `now`."""
    state, reply = found.state_at(now)
    return RequestView.of(found, text=TextReference.of(found), state=state, reply=reply)
