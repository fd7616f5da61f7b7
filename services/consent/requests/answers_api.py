"""The citizen's door to what they were asked for: see it, say yes to some or all of it, or no (U8, R3, R4, R5).

A no takes no more than a yes: the same call, or one step for everything. It is never asked why.
"""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import orjson
from fastapi import Response
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from libs.common.running.sweep import Readable
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.acting import Acting, ActingWithin
from services.consent.commands.answers import wait_for_narrowing
from services.consent.consents.consent import Consent
from services.consent.grants.views import consent_view
from services.consent.http.callers import told
from services.consent.http.pages import Page, listed
from services.consent.http.preconditions import Key, OptionalKey
from services.consent.http.signing import Signer
from services.consent.requests import answering as requests_answering
from services.consent.requests import declining
from services.consent.requests import store as requests_store
from services.consent.requests.answering import Answering, Choice, ItemAnswer, Shown
from services.consent.requests.declining import Word
from services.consent.requests.request import Request as Asked
from services.consent.requests.schemas import Accepted, Answered, AnsweredItem, Declined, RequestAnswer, WaitingPage
from services.consent.requests.store import PLACE
from services.consent.requests.views import waiting_view

router = Router(prefix="/v1/citizens/{borger_id}", tags=["requests"])

_WAITS: dict[int | str, dict[str, Any]] = {
    202: {"model": Answered, "description": "registered; something older is still in flight"}
}


@router.get("/requests", summary="List the consent requests to a citizen")
async def list_citizen_requests(request: Request, by: ActingWithin, page: Page) -> WaitingPage:
    """What the citizen was asked for, newest first: who asks, what for, until when, and how to answer."""

    async def read(session: WriteSession, now: datetime) -> tuple[Readable[Asked], Catalogue, datetime]:
        found = await requests_store.page(
            session, by.borger_id, purposes=by.purposes, before=page.before(now), limit=page.wanted
        )
        return found, await catalogue_store.current(session), now

    found, catalogue, now = await listed(request, "requests.listed", by, read)
    return WaitingPage.cut(
        found, page, view=lambda item: waiting_view(item, catalogue, now), key=PLACE, name="requests"
    )


@router.post(
    "/requests/{request_id}:answer", response_model=Answered, responses=_WAITS, summary="Answer a consent request"
)
async def answer_request(
    request: Request,
    body: RequestAnswer,
    by: ActingWithin,
    request_id: UUID,
    idempotency_key: Key,
) -> Response:
    """Answer every open item: accept some of its categories or all, decline, or leave it open.

    One's own shorter end may be chosen; each special category accepted is affirmed by name. 403 when this person's
    word is not asked for. A yes to less than before waits for what is in flight, as a withdrawal does: `202` with the
    address that says when nothing is.
    """
    shown = None
    if body.text_sha256 is not None and body.language is not None:
        shown = Shown(body.language, body.text_version, body.text_sha256)
    word = _word(by, idempotency_key, f"answer\n{by.borger_id}\n{request_id}\n{body.model_dump_json()}")
    choices = tuple(_choice(item) for item in body.items)
    return await _answered(request, by, Answering(word, request_id, choices, shown, shape=_shape(by)))


@router.post(
    "/requests/{request_id}:decline",
    openapi_extra=WAY_TO_STOP,
    response_model=Answered,
    summary="Decline a consent request",
)
async def decline_request(
    request: Request, by: ActingWithin, request_id: UUID, idempotency_key: OptionalKey = None
) -> Response:
    """No to everything that is open, in one step. Said again, it changes nothing."""
    word = _word(by, idempotency_key, f"decline\n{by.borger_id}\n{request_id}")
    return await _answered(request, by, Answering(word, request_id, None, None, shape=_shape(by)))


@router.post(
    "/consents/{consent_id}:decline",
    openapi_extra=WAY_TO_STOP,
    response_model=Declined,
    summary="Decline a consent that waits for an answer",
)
async def decline_consent(
    request: Request, by: ActingWithin, consent_id: UUID, idempotency_key: OptionalKey = None
) -> Response:
    """No to one consent that waits for an answer, or for a second signature. Said again, it changes nothing."""
    signer: Signer = request.app.state.signer
    word = _word(by, idempotency_key, f"decline one\n{by.borger_id}\n{consent_id}")

    def shape(consent: Consent, receipt: str | None, now: datetime) -> dict[str, Any]:
        view = consent_view(consent, by.giver.borger_id, now=now)
        shaped: dict[str, Any] = jsonable_encoder(Declined(consent=view, receipt=receipt))
        return shaped

    with told():
        given = await committed(
            request,
            lambda session: declining.decline_consent(session, signer, word, consent_id, shape=shape),
        )
    return Response(orjson.dumps(given.response), given.status, media_type="application/json")


async def _answered(request: Request, by: Acting, answering: Answering) -> Response:
    signer: Signer = request.app.state.signer
    with told():
        given = await committed(request, lambda session: requests_answering.answer_request(session, signer, answering))
    response = Response(orjson.dumps(given.response), 200, media_type="application/json")
    if given.status == 202:
        for item in given.response["items"]:
            await wait_for_narrowing(request, response, by.borger_id, UUID(item["consent"]["consent_id"]))
    return response


def _choice(item: Any) -> Choice:
    if isinstance(item, Accepted):
        return Choice(
            item.item_id,
            accepted=frozenset(item.categories),
            valid_until=item.valid_until,
            affirmed_special=frozenset(item.affirmed_special),
        )
    return Choice(item.item_id, declined=item.answer == "decline")


def _word(by: Acting, key: str | None, content: str) -> Word:
    digest = sha256(content.encode()).hexdigest()
    return Word(by.borger_id, by.giver, by.actor, key, request_sha256=digest, new_id=uuid4, purposes=by.purposes)


def _shape(by: Acting) -> Callable[[Asked, tuple[ItemAnswer, ...], datetime], dict[str, Any]]:
    def shape(found: Asked, said: tuple[ItemAnswer, ...], now: datetime) -> dict[str, Any]:
        state, reply = found.state_at(now)
        items = tuple(
            AnsweredItem(
                item_id=one.item_id,
                consent=consent_view(one.consent, by.giver.borger_id, now=now),
                receipt=one.receipt.jws,
            )
            for one in said
        )
        answered = Answered(
            request_id=found.request_id,
            state=state.value,
            reply=None if reply is None else reply.value,
            items=items,
        )
        shaped: dict[str, Any] = jsonable_encoder(answered)
        return shaped

    return shape
