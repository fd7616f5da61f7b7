"""The citizen's door to their consents: give, see, and see the history. Withdrawal: `withdrawals`."""

from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
from fastapi import Query, Response
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed, looked_up
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from libs.common.running.sweep import Readable
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.acting import Acting, ActingWithin
from services.consent.commands.answers import wait_for_narrowing
from services.consent.consents import queries as consents_queries
from services.consent.consents import store as consents_store
from services.consent.consents.consent import Consent
from services.consent.consents.consent import Status as DomainStatus
from services.consent.consents.ending import as_of, months_of
from services.consent.grants import commands as grants_commands
from services.consent.grants.commands import Grant
from services.consent.grants.grant import Ask
from services.consent.grants.schemas import ConsentDetail, ConsentPage, ConsentView, Granted
from services.consent.grants.views import consent_view, detail_view
from services.consent.http.pages import Page, listed
from services.consent.http.preconditions import Key
from services.consent.http.problems import translated
from services.consent.http.shapes import GrantRequest, Status
from services.consent.http.signing import Signer

router = Router(prefix="/v1/citizens/{borger_id}", tags=["consents"])


@router.post(
    "/consents", status_code=201, response_model=Granted, responses={202: {"model": Granted}}, summary="Grant a consent"
)
async def grant_consent(
    request: Request,
    body: GrantRequest,
    by: ActingWithin,
    idempotency_key: Key,
) -> Response:
    """Give a consent, or one of the declarations it needs (then `pending_signature`).

    The same key and body repeat the first answer; the same key with another body is a 409. 403 when this person's
    declaration is not asked for. A consent to less than before waits for what is in flight, as a withdrawal does: `202`
    with the address that says when nothing is.
    """
    if not by.covers(body.purpose):
        raise NotFoundError
    signer: Signer = request.app.state.signer
    asked = _grant(body, by, idempotency_key)
    with translated():
        answer = await committed(request, lambda session: grants_commands.grant_consent(session, signer, asked))
    response = Response(orjson.dumps(answer.response), 201, media_type="application/json")
    if answer.status == 202:
        await wait_for_narrowing(request, response, by.borger_id, UUID(answer.response["consent"]["consent_id"]))
    return response


def _grant(body: GrantRequest, by: Acting, key: str) -> Grant:
    def shape(consent: Consent, receipt: str) -> dict[str, Any]:
        view = consent_view(consent, by.giver.borger_id, now=consent.given_at or consent.requested_at)
        answer: dict[str, Any] = jsonable_encoder(Granted(consent=view, receipt=receipt))
        return answer

    return Grant(
        ask=Ask(
            borger_id=by.borger_id,
            purpose=body.purpose,
            holder_unit=body.holder_unit,
            recipient_unit=body.recipient_unit,
            categories=frozenset(body.categories),
            language=body.language,
            text_version=body.text_version,
            text_sha256=body.text_sha256,
            valid_until=body.valid_until,
            affirmed_special=frozenset(body.affirmed_special),
        ),
        giver=by.giver,
        actor=by.actor,
        key=key,
        request_sha256=request_sha256("grant", by.borger_id, body),
        new_id=uuid4,
        shape=shape,
    )


def request_sha256(act: str, borger_id: UUID, body: GrantRequest) -> str:
    """What an idempotency key stands for: the act, whom it is about and the body, whatever its spelling."""
    content = f"{act}\n{borger_id}\n{body.model_dump_json()}"
    return sha256(content.encode()).hexdigest()


@router.get("/consents", summary="List a citizen's consents")
async def list_consents(
    request: Request,
    by: ActingWithin,
    page: Page,
    status: Annotated[Status | None, Query()] = None,
) -> ConsentPage:
    """All consents, newest first, those of others on a child's behalf too; of a representative's own purposes only."""
    wanted = None if status is None else DomainStatus(status)

    async def read(session: WriteSession, now: datetime) -> tuple[Readable[Consent], Catalogue, datetime]:
        catalogue = await catalogue_store.current(session)
        found = await consents_store.page(
            session,
            by.borger_id,
            wanted,
            purposes=by.purposes,
            now=now,
            ceilings=months_of(catalogue, now),
            after=page.before(now),
            limit=page.wanted,
        )
        return found, catalogue, now

    found, catalogue, now = await listed(request, "consents.listed", by, read)

    def view(item: Consent) -> ConsentView:
        return consent_view(as_of(item, catalogue, now), by.giver.borger_id, now=now, catalogue=catalogue)

    return ConsentPage.cut(found, page, view=view, key=attrgetter("requested_at", "consent_id"), name="consents")


@router.get("/consents/{consent_id}", summary="Read a consent and its history")
async def read_consent(request: Request, response: Response, by: ActingWithin, consent_id: UUID) -> ConsentDetail:
    """One consent with its history. `ETag` is its revision."""
    detail = await committed(
        request,
        lambda session: consents_queries.read_consent(session, by.actor, by.borger_id, consent_id, covers=by.covers),
    )
    if detail is None:
        raise NotFoundError
    response.headers["ETag"] = f'"{detail.consent.revision}"'
    return detail_view(detail, by.giver.borger_id, await looked_up(request, catalogue_store.current))
