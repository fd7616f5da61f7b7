"""Emergency disclosure (*værdispring*): recorded by the holder unit, told at once, reviewed by the officer.

It lasts hours, and stands before the citizen's refusal: why, in `decision/other_basis`. The citizen sees it among the
other bases; the data protection officer sees them all.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response
from starlette.requests import Request as HttpRequest

from libs.common.database.database import WriteSession, clock
from libs.common.database.transaction import committed, looked_up
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import ConflictError, NotFoundError
from libs.common.running.sweep import readable
from libs.common.wire.values import Switch
from services.consent.catalogue import store as catalogue_store
from services.consent.commands.answers import STATUSES, WithdrawalView, status_answer
from services.consent.commands.draining import answered, is_drained
from services.consent.drains.store import Withdrawal
from services.consent.employees.employees import ActingEmployee
from services.consent.http import idempotency_store
from services.consent.http.callers import actor_of, assurance_of
from services.consent.http.idempotency_store import ActKey
from services.consent.http.pages import Page
from services.consent.http.preconditions import Key, Prefer
from services.consent.http.problems import translated
from services.consent.http.signing import Signer
from services.consent.legal_bases import commands as legal_bases_commands
from services.consent.legal_bases.api import recorded
from services.consent.legal_bases.commands import AlreadyReviewedError
from services.consent.legal_bases.schemas import (
    EmergencyRequest,
    ReviewRequest,
    StaffBasisPage,
    StaffBasisView,
    staff_basis_view,
)
from services.consent.model.acting import Office

router = Router(prefix="/v1/emergencies", tags=["other bases"])

Officer = Annotated[Principal, Depends(require("dpo"))]


@router.post("", status_code=201, response_model=StaffBasisView, summary="Record an emergency disclosure")
async def record_emergency(
    request: HttpRequest, body: EmergencyRequest, by: ActingEmployee, idempotency_key: Key
) -> Response:
    """Let one recipient be told one kind of information for some hours, to avert a danger.

    It holds against a refusal and a restriction, never about the dead. The citizen and the data protection officer are
    told in the same transaction. 404 for anybody without an open case in one's own unit.
    """
    return await recorded(request, body, by, idempotency_key)


@router.get("", summary="List emergency disclosures")
async def list_emergencies(
    request: HttpRequest,
    caller: Officer,
    page: Page,
    unreviewed: Annotated[Switch, Query(description="only those that nobody has reviewed")] = False,
) -> StaffBasisPage:
    """Every emergency, newest first; each person read about is on the record."""
    actor = actor_of(request, caller.subject, "dpo", unit=caller.unit)
    found, catalogue, now = await committed(
        request,
        lambda session: legal_bases_commands.list_emergencies(
            session, actor, unreviewed=unreviewed, after=page.after, limit=page.wanted
        ),
    )
    views = readable(found, lambda item: staff_basis_view(item, catalogue, now), name="emergencies")
    items, following = page.cut(views, lambda item: (item.valid_from, item.basis_id))
    return StaffBasisPage(items=tuple(items), next=following)


@router.post(
    "/{basis_id}:review",
    openapi_extra=WAY_TO_STOP,
    response_model=StaffBasisView,
    responses={202: {"model": StaffBasisView, "description": "recorded; something older is still in flight"}},
    summary="Review an emergency disclosure",
)
async def review_emergency(
    request: HttpRequest,
    caller: Officer,
    basis_id: UUID,
    body: ReviewRequest,
    idempotency_key: Key,
    *,
    prefer: Prefer = "",
) -> Response:
    """Record what the officer found. `unjustified` ends it at once; `202` while something older is in flight.

    Repeating it waits for the same; another outcome than the first is a 409, as is a key used for another review.
    """
    signer: Signer = request.app.state.signer
    actor = actor_of(request, caller.subject, "dpo", unit=caller.unit)
    office = Office(caller.unit or "DPO", assurance_of(caller))
    key = ActKey(f"dpo:{caller.subject}", idempotency_key, f"review\n{basis_id}\n{body.outcome}")

    async def work(session: WriteSession) -> tuple[StaffBasisView, Withdrawal | None]:
        now = await clock(session)
        await idempotency_store.stand_for(session, key)
        found, withdrawal = await legal_bases_commands.review(
            session, signer, office, basis_id, justified=body.outcome == "justified", actor=actor
        )
        return staff_basis_view(found, await catalogue_store.current(session), now), withdrawal

    with translated():
        try:
            view, withdrawal = await committed(request, work)
        except AlreadyReviewedError:
            raise ConflictError("It has been reviewed with another outcome.") from None
    drained = await is_drained(request, withdrawal, prefer)
    return answered(view, status=200, path=f"/v1/emergencies/{basis_id}/drain", drained=drained)


@router.get(
    "/{basis_id}/drain",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Read whether an ended emergency disclosure is drained",
)
async def read_emergency_drain(
    request: HttpRequest,
    caller: Officer,  # noqa: ARG001 - who may ask
    basis_id: UUID,
) -> Response:
    """Whether what an end before time ended is drained: looked at now, not remembered."""
    withdrawal = await looked_up(request, lambda session: legal_bases_commands.find_ending(session, basis_id, None))
    if withdrawal is None:
        raise NotFoundError
    return await status_answer(request, withdrawal, status_at=f"/v1/emergencies/{basis_id}/drain")
