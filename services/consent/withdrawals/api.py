"""Withdraw one consent, several, or everything at once; and what became of it (`docs/fence.md`).

Never more steps than giving, and no reason is asked (R7). Repeating a call waits for the same and changes nothing.
What a `200` and a `202` promise: `api_drain`.
"""

from uuid import UUID

from fastapi import Response
from pydantic import Field, model_validator
from starlette.requests import Request as HttpRequest

from libs.common.database.database import Database, WriteSession
from libs.common.database.transaction import available, committed
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from libs.common.wire.identifiers import Uuid
from libs.common.wire.values import Yes
from services.consent.citizens.acting import ActingWithin
from services.consent.commands.answers import (
    STATUSES,
    WithdrawalView,
    drained_answer,
    request_of,
    status_answer,
)
from services.consent.drains import store as drains_store
from services.consent.drains.store import Withdrawal
from services.consent.http.preconditions import OptionalKey, Prefer
from services.consent.http.problems import translated
from services.consent.http.shapes import Request
from services.consent.http.signing import Signer
from services.consent.withdrawals import commands as withdrawals_commands

router = Router(prefix="/v1/citizens/{borger_id}", tags=["withdrawals"])

CONSENTS_MAX = 200  # in one act; `all` has no limit


class WithdrawRequest(Request):
    """Which consents: some by name, or `all`. Exactly one of the two."""

    consent_ids: tuple[Uuid, ...] | None = Field(default=None, min_length=1, max_length=CONSENTS_MAX)
    all: Yes | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "WithdrawRequest":
        if (self.consent_ids is None) == (self.all is None):
            raise ValueError("exactly one of consent_ids and all")
        return self


@router.post(
    "/consents/{consent_id}:withdraw",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Withdraw a consent",
)
async def withdraw_consent(
    request: HttpRequest, by: ActingWithin, consent_id: UUID, idempotency_key: OptionalKey = None, prefer: Prefer = ""
) -> Response:
    """End a consent. No reason is asked, and none is recorded (R7).

    One that is only asked for is declined; one that had ended is `already_ended` in `consents`. 409: a newer one has
    replaced it, and stands.
    """
    signer: Signer = request.app.state.signer
    asked = request_of(by, idempotency_key, f"withdraw\n{by.borger_id}\n{consent_id}")
    with translated():
        withdrawal = await committed(
            request, lambda session: withdrawals_commands.withdraw_consent(session, signer, asked, consent_id)
        )
    return await drained_answer(request, withdrawal, prefer)


@router.post(
    "/consents:withdraw",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Withdraw several or all of a citizen's consents",
)
async def withdraw_consents(
    request: HttpRequest,
    by: ActingWithin,
    body: WithdrawRequest,
    idempotency_key: OptionalKey = None,
    prefer: Prefer = "",
) -> Response:
    """End several consents, or everything that is open, in one act: all of it or, on an error, none.

    Requests that wait for an answer are declined. `consents` says what the act was to each, with its receipt.
    """
    signer: Signer = request.app.state.signer
    asked = request_of(by, idempotency_key, f"withdraw several\n{by.borger_id}\n{body.model_dump_json()}")

    async def work(session: WriteSession) -> Withdrawal:
        if body.consent_ids is None:
            return await withdrawals_commands.withdraw_everything(session, signer, asked)
        return await withdrawals_commands.withdraw_consents(session, signer, asked, body.consent_ids)

    with translated():
        withdrawal = await committed(request, work)
    return await drained_answer(request, withdrawal, prefer)


@router.get(
    "/withdrawals/{withdrawal_id}",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Read a withdrawal and the state of its drain",
)
async def read_withdrawal(request: HttpRequest, by: ActingWithin, withdrawal_id: UUID) -> Response:
    """Whether it is drained: looked at now, not remembered."""
    database: Database = request.app.state.database
    with available():
        async with database.read() as session:
            withdrawal = await drains_store.read(session, by.borger_id, withdrawal_id)
            purposes = await drains_store.purposes_of(session, withdrawal_id)
    if withdrawal is None or not all(by.covers(purpose) for purpose in purposes):
        raise NotFoundError
    return await status_answer(request, withdrawal)
