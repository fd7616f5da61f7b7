"""Refuse, see one's refusals, and take one back (R50). What a `200` and a `202` promise: `api_drain`."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from starlette.requests import Request as HttpRequest

from libs.common.database.transaction import committed
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from libs.common.running.sweep import readable
from libs.common.wire.messages import Code
from libs.common.wire.values import Moment, Switch
from services.consent.citizens.acting import ActingWithin
from services.consent.commands.answers import STATUSES, WithdrawalView, drained_answer, request_of
from services.consent.decision.snapshot import Refusal
from services.consent.http.pages import Page
from services.consent.http.preconditions import OptionalKey, Prefer
from services.consent.http.problems import translated
from services.consent.http.shapes import Answer, Request
from services.consent.http.signing import Signer
from services.consent.refusals import commands as refusals_commands

router = Router(prefix="/v1/citizens/{borger_id}/refusals", tags=["refusals"])


class RefusalRequest(Request):
    """An active no: no unit may tell this one anything for this purpose, whatever was consented to (R50).

    Without a purpose it is a no to telling this unit anything; without a unit, to telling anybody anything for this
    purpose; without either, to everything. It covers what comes later too.
    """

    purpose: Code | None = Field(default=None, description="left out: every purpose")
    recipient_unit: Code | None = Field(default=None, description="left out: every recipient")


class RefusalView(Answer):
    """A refusal. `purpose` and `recipient_unit`: null is every one. It stands until `lifted_at`."""

    refusal_id: UUID
    purpose: Code | None
    recipient_unit: Code | None
    recorded_at: Moment
    lifted_at: Moment | None


class RefusalPage(Answer):
    """Newest first. `next`: the cursor of the next page, null at the end."""

    items: tuple[RefusalView, ...]
    next: str | None


class LiftedView(Answer):
    """The receipt of the lifting."""

    refusal_id: UUID
    receipt: str


@router.post(
    "",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Refuse disclosure for a purpose or to a unit",
)
async def refuse_disclosure(
    request: HttpRequest,
    by: ActingWithin,
    body: RefusalRequest,
    idempotency_key: OptionalKey = None,
    prefer: Prefer = "",
) -> Response:
    """Forbid it, whatever was consented to, until the refusal is lifted.

    404: a representative for some purposes refuses for those.
    """
    if not by.covers(body.purpose):
        raise NotFoundError
    signer: Signer = request.app.state.signer
    asked = request_of(by, idempotency_key, f"refuse\n{by.borger_id}\n{body.model_dump_json()}")
    with translated():
        withdrawal = await committed(
            request,
            lambda session: refusals_commands.refuse(
                session, signer, asked, purpose=body.purpose, recipient_unit=body.recipient_unit
            ),
        )
    return await drained_answer(request, withdrawal, prefer)


@router.get("", summary="List a citizen's refusals")
async def list_refusals(
    request: HttpRequest,
    by: ActingWithin,
    page: Page,
    lifted: Annotated[Switch | None, Query(description="only lifted ones, or only standing ones")] = None,
) -> RefusalPage:
    """Every refusal, newest first, standing and lifted."""
    found = await committed(
        request,
        lambda session: refusals_commands.list_refusals(
            session, by.actor, by.borger_id, purposes=by.purposes, lifted=lifted, after=page.after, limit=page.wanted
        ),
    )
    shown, following = page.cut(found, lambda item: (item.recorded_at, item.refusal_id))
    return RefusalPage(items=readable(shown, refusal_view, name="refusals"), next=following)


@router.get("/{refusal_id}", summary="Read a refusal")
async def read_refusal(request: HttpRequest, by: ActingWithin, refusal_id: UUID) -> RefusalView:
    """One refusal."""
    found = await committed(
        request,
        lambda session: refusals_commands.read_refusal(session, by.actor, by.borger_id, refusal_id, covers=by.covers),
    )
    if found is None:
        raise NotFoundError
    return refusal_view(found)


@router.post("/{refusal_id}:lift", summary="Lift a refusal")
async def lift_refusal(
    request: HttpRequest, by: ActingWithin, refusal_id: UUID, idempotency_key: OptionalKey = None
) -> LiftedView:
    """Take a refusal back: consents count again, for what arrives from now on. Repeating it answers the same."""
    signer: Signer = request.app.state.signer
    asked = request_of(by, idempotency_key, f"lift refusal\n{by.borger_id}\n{refusal_id}")
    with translated():
        receipt = await committed(
            request, lambda session: refusals_commands.lift_refusal(session, signer, asked, refusal_id)
        )
    return LiftedView(refusal_id=refusal_id, receipt=receipt)


def refusal_view(refusal: Refusal) -> RefusalView:
    """A refusal as the citizen sees it."""
    return RefusalView(
        refusal_id=refusal.refusal_id,
        purpose=refusal.purpose,
        recipient_unit=refusal.recipient_unit,
        recorded_at=refusal.recorded_at,
        lifted_at=refusal.lifted_at,
    )
