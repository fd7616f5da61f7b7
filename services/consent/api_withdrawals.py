"""Withdraw, refuse, lift a refusal; and what became of it (`docs/fence.md` §2).

`200`: from now on nothing about the citizen is disclosed to the recipient under what was withdrawn, and no doorbell
rings for it. `202`: it is registered, with a receipt, and takes effect for everything new; something older is still in
flight, and the status address answers `200` once nothing is. Repeating a call waits for the same and changes nothing.
"""

from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, Response
from pydantic import AwareDatetime
from starlette.requests import Request as HttpRequest

from libs.common.database import Database
from libs.common.messages import Code
from libs.common.problems import NotFoundError
from services.consent import drain, store_receipts, store_withdrawals, withdrawals
from services.consent.api_acting import Acting, ActingWithin
from services.consent.api_transaction import available, committed
from services.consent.api_translation import translated
from services.consent.receipts import Signer
from services.consent.schemas import Answer, IdempotencyKey, Request
from services.consent.settings import Settings
from services.consent.store_withdrawals import Act, Withdrawal
from services.consent.withdrawals import NoSuchConsentError, NoSuchRefusalError

router = APIRouter(prefix="/v1/citizens/{borger_id}", tags=["withdrawals"])

RETRY_AFTER_S = 1  # how soon to ask again whether it is drained


class RefusalRequest(Request):
    """An active no: no unit may tell this one anything for this purpose, whatever was consented to (R50)."""

    purpose: Code
    recipient_unit: Code


class WithdrawalView(Answer):
    """`drained`: nothing older is in flight. `receipt`: a compact JWS, issued when it was registered."""

    withdrawal_id: UUID
    consent_id: UUID | None
    refusal_id: UUID | None
    status: Literal["draining", "drained"]
    registered_at: AwareDatetime
    drained_at: AwareDatetime | None
    receipt: str


class LiftedView(Answer):
    """The receipt of the lifting."""

    refusal_id: UUID
    receipt: str


_STATUSES: dict[int | str, dict[str, Any]] = {
    202: {"model": WithdrawalView, "description": "registered; something older is still in flight"}
}
OptionalKey = Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")]
Prefer = Annotated[str, Header(max_length=200, description="`respond-async`: do not wait (RFC 7240)")]


@router.post("/consents/{consent_id}:withdraw", response_model=WithdrawalView, responses=_STATUSES)
async def withdraw(
    request: HttpRequest, by: ActingWithin, consent_id: UUID, idempotency_key: OptionalKey = None, prefer: Prefer = ""
) -> Response:
    """End a consent. No reason is asked, and none is recorded (R7)."""
    signer: Signer = request.app.state.signer
    asked = _request(by, idempotency_key, f"withdraw\n{by.borger_id}\n{consent_id}")
    with translated():
        try:
            withdrawal = await committed(
                request, lambda session: withdrawals.withdraw_consent(session, signer, asked, consent_id)
            )
        except NoSuchConsentError:
            raise NotFoundError from None
    return await _drained_answer(request, withdrawal, prefer)


@router.post("/refusals", response_model=WithdrawalView, responses=_STATUSES)
async def refuse(
    request: HttpRequest,
    by: ActingWithin,
    body: RefusalRequest,
    idempotency_key: OptionalKey = None,
    prefer: Prefer = "",
) -> Response:
    """Forbid it, whatever was consented to, until the refusal is lifted."""
    if not by.covers(body.purpose):
        raise NotFoundError
    signer: Signer = request.app.state.signer
    asked = _request(by, idempotency_key, f"refuse\n{by.borger_id}\n{body.model_dump_json()}")
    with translated():
        withdrawal = await committed(
            request,
            lambda session: withdrawals.refuse(
                session, signer, asked, purpose=body.purpose, recipient_unit=body.recipient_unit
            ),
        )
    return await _drained_answer(request, withdrawal, prefer)


@router.post("/refusals/{refusal_id}:lift")
async def lift(request: HttpRequest, by: ActingWithin, refusal_id: UUID) -> LiftedView:
    """Take a refusal back: consents count again, for what arrives from now on. Repeating it answers the same."""
    signer: Signer = request.app.state.signer
    asked = _request(by, None, "")
    try:
        receipt = await committed(request, lambda session: withdrawals.lift_refusal(session, signer, asked, refusal_id))
    except NoSuchRefusalError:
        raise NotFoundError from None
    return LiftedView(refusal_id=refusal_id, receipt=receipt)


@router.get("/withdrawals/{withdrawal_id}", response_model=WithdrawalView, responses=_STATUSES)
async def read_withdrawal(request: HttpRequest, by: ActingWithin, withdrawal_id: UUID) -> Response:
    """Whether it is drained: looked at now, not remembered."""
    database: Database = request.app.state.database
    with available():
        async with database.read() as session:
            withdrawal = await store_withdrawals.read(session, by.borger_id, withdrawal_id)
        if withdrawal is None:
            raise NotFoundError
        await drain.look(database, withdrawal, _limits(request))
        return await _answer(database, withdrawal)


async def wait_for_narrowing(request: HttpRequest, response: Response, borger_id: UUID, consent_id: UUID) -> None:
    """Let the answer to a consent to less than before wait for the drain; `202` and where to ask when it takes long."""
    database: Database = request.app.state.database
    with available():
        async with database.read() as session:
            narrowing = await store_withdrawals.read_of_object(session, borger_id, Act.NARROWING, consent_id)
        if narrowing is not None and not await drain.drain(database, narrowing, _limits(request)):
            response.status_code = 202
            _point_to_status(response, narrowing)


async def _drained_answer(request: HttpRequest, withdrawal: Withdrawal, prefer: str) -> Response:
    """Wait for the drain, unless the caller prefers not to; then answer what is written down."""
    database: Database = request.app.state.database
    asynchronous = "respond-async" in {word.strip().lower() for word in prefer.split(",")}
    with available():
        if not asynchronous:
            await drain.drain(database, withdrawal, _limits(request))
            request.app.state.bell.ring()
        response = await _answer(database, withdrawal)
    if asynchronous:
        response.headers["Preference-Applied"] = "respond-async"
    return response


async def _answer(database: Database, withdrawal: Withdrawal) -> Response:
    """`200` only for what the database says is drained."""
    async with database.read() as session:
        current = await store_withdrawals.read(session, withdrawal.borger_id, withdrawal.withdrawal_id)
        receipt = await store_receipts.find(session, withdrawal.receipt_id)
    assert current is not None
    assert receipt is not None
    view = WithdrawalView(
        withdrawal_id=current.withdrawal_id,
        consent_id=current.object_id if current.act in {Act.WITHDRAWAL, Act.NARROWING} else None,
        refusal_id=current.object_id if current.act is Act.REFUSAL else None,
        status="draining" if current.drained_at is None else "drained",
        registered_at=current.registered_at,
        drained_at=current.drained_at,
        receipt=receipt.jws,
    )
    response = Response(
        view.model_dump_json(), 202 if current.drained_at is None else 200, media_type="application/json"
    )
    if current.drained_at is None:
        _point_to_status(response, current)
    return response


def _point_to_status(response: Response, withdrawal: Withdrawal) -> None:
    response.headers["Location"] = f"/v1/citizens/{withdrawal.borger_id}/withdrawals/{withdrawal.withdrawal_id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)


def _request(by: Acting, key: str | None, content: str) -> withdrawals.Request:
    digest = sha256(content.encode()).hexdigest()
    return withdrawals.Request(by.borger_id, by.giver, by.actor, key, digest, uuid4, by.purposes)


def _limits(request: HttpRequest) -> drain.DrainLimits:
    settings: Settings = request.app.state.settings
    return drain.limits_of(settings)
