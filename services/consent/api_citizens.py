"""Who am I, what was told about me, my receipts, my key to the audit trail; and, for source systems, who is this."""

from typing import Annotated
from uuid import uuid4

from fastapi import Depends
from pydantic import TypeAdapter
from starlette.requests import Request

from libs.common.auth import Principal, require
from libs.common.database import WriteSession
from libs.common.door import Router
from libs.common.sweep import readable
from libs.common.transaction import committed
from services.consent import handlers_citizens, handlers_representatives, handlers_views
from services.consent.access_tokens import claims_for
from services.consent.api_acting import ActingCitizen, ActingWithin, LoggedIn, actor_of, assurance_of, number_of
from services.consent.api_pages import Page
from services.consent.api_translation import number_in, translated
from services.consent.api_views import me_view, receipt_view, use_view
from services.consent.cpr_vault import Vault
from services.consent.reading import actors_shown_to
from services.consent.receipts import Signer
from services.consent.schemas import (
    AccessToken,
    AccessTokenRequest,
    CprQuestion,
    Me,
    Pseudonym,
    ReceiptPage,
    UsePage,
)
from services.consent.settings import Settings
from services.consent.store_use_pages import USE_PLACE, UseLine

SEQUENCE: TypeAdapter[tuple[int]] = TypeAdapter(tuple[int])

router = Router(tags=["citizens"])
citizen_router = Router(prefix="/v1/citizens/{borger_id}", tags=["citizens"])


@router.post("/v1/citizens:resolve")
async def resolve(
    request: Request, body: CprQuestion, caller: Annotated[Principal, Depends(require("source_system"))]
) -> Pseudonym:
    """The pseudonym of a CPR number; audited (R29). The number is read here and nowhere else."""
    vault: Vault = request.app.state.vault
    with translated():
        number = number_in(body.cpr)
    actor = actor_of(request, caller.client_id, "source_system", unit=caller.unit)
    borger_id = await committed(
        request,
        lambda session: handlers_citizens.resolve_citizen(session, vault, number, actor=actor, new_id=uuid4),
    )
    return Pseudonym(borger_id=borger_id)


@router.get("/v1/me")
async def me(request: Request, caller: LoggedIn) -> Me:
    """The logged-in citizen's own id, and whom they may act for today, in which capacity and about what."""
    vault: Vault = request.app.state.vault
    number, actor = number_of(caller), actor_of(request, "citizen", "citizen")

    async def work(session: WriteSession) -> Me:
        own = await handlers_citizens.resolve_citizen(session, vault, number, actor=actor, new_id=uuid4)
        found = await handlers_representatives.represented_by(session, own)
        return me_view(own, found)

    return await committed(request, work)


@router.post("/v1/me/access-tokens", status_code=201)
async def issue_access_token(request: Request, body: AccessTokenRequest, caller: LoggedIn) -> AccessToken:
    """A short-lived token for another service, under the citizen's pseudonym: no CPR number leaves consent."""
    state = request.app.state
    settings: Settings = state.settings
    signer: Signer = state.signer
    vault: Vault = state.vault
    number, actor = number_of(caller), actor_of(request, "citizen", "citizen")
    own = await committed(
        request,
        lambda session: handlers_citizens.resolve_citizen(session, vault, number, actor=actor, new_id=uuid4),
    )
    claims = claims_for(
        own,
        client_id=caller.client_id,
        audience=body.audience,
        assurance=assurance_of(caller),
        seconds=settings.access_token_seconds,
    )
    return AccessToken(access_token=signer.access_token(claims), expires_in=settings.access_token_seconds)


@citizen_router.get("/uses")
async def list_uses(request: Request, by: ActingWithin, page: Page) -> UsePage:
    """Every use: what, to which unit, for which purpose, when (P4). No employee's identity."""
    after = page.place(USE_PLACE)
    found = await committed(
        request,
        lambda session: handlers_views.list_uses(
            session, by.actor, by.borger_id, purposes=by.purposes, after=after, limit=page.wanted
        ),
    )
    shown, following = page.cut(found, UseLine.place)
    return UsePage(items=readable(shown, use_view, name="uses"), next=following)


@citizen_router.get("/receipts")
async def list_receipts(request: Request, by: ActingCitizen, page: Page) -> ReceiptPage:
    """Every receipt, newest first (P5); a parent reads in the child's chain what the other parent did not do."""
    place = page.place(SEQUENCE)
    before = None if place is None else place[0]
    found = await committed(
        request,
        lambda session: handlers_views.list_receipts(
            session, by.actor, by.borger_id, actors=actors_shown_to(by), before=before, limit=page.wanted
        ),
    )
    shown, following = page.cut(found, lambda item: (item.sequence,))
    return ReceiptPage(items=readable(shown, receipt_view, name="receipts"), next=following)
