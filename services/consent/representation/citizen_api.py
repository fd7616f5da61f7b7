"""Who may act for the citizen: for the citizen and the representatives to see, and for either to end a power."""

from datetime import datetime
from uuid import UUID

from fastapi import Response
from starlette.requests import Request as HttpRequest

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed, looked_up
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from services.consent.citizens import authorities_store
from services.consent.citizens.acting import ActingWithin
from services.consent.commands.draining import answered, is_drained
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act
from services.consent.http import idempotency_store
from services.consent.http.idempotency_store import ActKey
from services.consent.http.pages import listed
from services.consent.http.preconditions import OptionalKey, Prefer
from services.consent.http.problems import translated
from services.consent.http.signing import Signer
from services.consent.model.acting import Role
from services.consent.representation import commands as representation_commands
from services.consent.representation.commands import Decided
from services.consent.representation.schemas import AuthorityList, AuthorityView, authority_view

router = Router(prefix="/v1/citizens/{borger_id}/authorities", tags=["authorities"])


@router.get("", summary="List the authorities to represent a citizen")
async def list_citizen_authorities(request: HttpRequest, by: ActingWithin) -> AuthorityList:
    """Who may act for the citizen, or could: all of them for the citizen, a representative sees their own."""

    async def read(session: WriteSession, now: datetime) -> tuple[AuthorityView, ...]:
        found = await authorities_store.shown_to(session, by.borger_id)
        own = {by.giver.borger_id} if by.giver.role is not Role.SELF else {item.representative for item in found}
        return tuple(authority_view(item, now) for item in found if item.representative in own)

    return AuthorityList(items=await listed(request, "authorities.listed", by, read))


@router.post(
    "/{authority_id}:end",
    openapi_extra=WAY_TO_STOP,
    response_model=AuthorityView,
    responses={202: {"model": AuthorityView, "description": "ended; something older is still in flight"}},
    summary="End a power of attorney as the citizen or the attorney",
)
async def end_citizen_authority(
    request: HttpRequest,
    by: ActingWithin,
    authority_id: UUID,
    idempotency_key: OptionalKey = None,
    prefer: Prefer = "",
) -> Response:
    """The citizen takes a power of attorney back, or the attorney lays it down; no reason is asked.

    What was said yes to under it ends with it, and the answer waits as a withdrawal's. A guardian's is a 404.
    """
    signer: Signer = request.app.state.signer
    key = ActKey(str(by.giver.borger_id), idempotency_key, f"end authority\n{by.borger_id}\n{authority_id}")

    async def work(session: WriteSession) -> Decided:
        await idempotency_store.stand_for(session, key)
        return await representation_commands.end_own(
            session, signer, by.giver, authority_id, borger_id=by.borger_id, actor=by.actor
        )

    with translated():
        decided = await committed(request, work)
    ended = decided.authority
    withdrawal = await looked_up(
        request,
        lambda session: drains_store.read_of_object(session, by.borger_id, Act.AUTHORITY_ENDED, authority_id),
    )
    drained = await is_drained(request, withdrawal, prefer)
    assert ended.ended_at is not None
    path = f"/v1/citizens/{by.borger_id}/withdrawals/" + ("" if withdrawal is None else str(withdrawal.withdrawal_id))
    return answered(authority_view(ended, ended.ended_at, draining=not drained), status=200, path=path, drained=drained)
