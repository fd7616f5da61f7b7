"""Who am I, what was told about me, my receipts, my key to the audit trail; and, for source systems, who is this."""

from typing import Annotated
from uuid import uuid4

from fastapi import Depends
from starlette.requests import Request

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from services.consent.citizens import capacity, citizens
from services.consent.citizens.acting import LoggedIn, number_of
from services.consent.citizens.tokens import claims_for
from services.consent.citizens.vault import Vault
from services.consent.citizens.views import me_view
from services.consent.http.callers import actor_of, assurance_of
from services.consent.http.problems import number_in, translated
from services.consent.http.shapes import (
    AccessTokenRequest,
    CprQuestion,
    IssuedToken,
    Me,
    Pseudonym,
)
from services.consent.http.signing import Signer
from services.consent.settings import Settings

router = Router(tags=["citizens"])


@router.post("/v1/citizens:resolve", summary="Resolve a CPR number to a citizen's pseudonym")
async def resolve_citizen(
    request: Request, body: CprQuestion, caller: Annotated[Principal, Depends(require("source_system"))]
) -> Pseudonym:
    """The pseudonym of a CPR number; audited (R29). The number is read here and nowhere else."""
    vault: Vault = request.app.state.vault
    with translated():
        number = number_in(body.cpr)
    actor = actor_of(request, caller.client_id, "source_system", unit=caller.unit)
    borger_id = await committed(
        request,
        lambda session: citizens.resolve_citizen(session, vault, number, actor=actor, new_id=uuid4),
    )
    return Pseudonym(borger_id=borger_id)


@router.get("/v1/me", summary="Read the logged-in citizen's pseudonym and representations")
async def read_me(request: Request, caller: LoggedIn) -> Me:
    """The logged-in citizen's own id, and whom they may act for today, in which capacity and about what."""
    vault: Vault = request.app.state.vault
    number, actor = number_of(caller), actor_of(request, "citizen", "citizen")

    async def work(session: WriteSession) -> Me:
        own = await citizens.resolve_citizen(session, vault, number, actor=actor, new_id=uuid4)
        found = await capacity.represented_by(session, own)
        return me_view(own, found)

    return await committed(request, work)


@router.post("/v1/me/access-tokens", status_code=201, summary="Issue an access token for another service")
async def issue_access_token(request: Request, body: AccessTokenRequest, caller: LoggedIn) -> IssuedToken:
    """A short-lived token for another service, under the citizen's pseudonym: no CPR number leaves consent."""
    state = request.app.state
    settings: Settings = state.settings
    signer: Signer = state.signer
    vault: Vault = state.vault
    number, actor = number_of(caller), actor_of(request, "citizen", "citizen")
    own = await committed(
        request,
        lambda session: citizens.resolve_citizen(session, vault, number, actor=actor, new_id=uuid4),
    )
    claims = claims_for(
        own,
        client_id=caller.client_id,
        audience=body.audience,
        assurance=assurance_of(caller),
        seconds=settings.access_token_seconds,
    )
    return IssuedToken(access_token=signer.access_token(claims), expires_in=settings.access_token_seconds)
