"""The answer to an act that ends a right to disclose: `200` once it is drained, else `202` and where to ask again.

`200`: from now on nothing about the citizen is disclosed to the recipient under what was ended, and no doorbell rings
for it. `202`: it is registered, with a receipt, and takes effect for everything new; something older is still in
flight, and the status address answers `200` once nothing is (`docs/fence.md`).
"""

from hashlib import sha256
from typing import Any, Literal
from uuid import UUID, uuid4

from fastapi import Response
from starlette.requests import Request as HttpRequest

from libs.common.database.database import Database
from libs.common.database.transaction import available
from libs.common.wire.values import Moment
from services.consent.citizens.acting import Acting
from services.consent.commands import requests as commands_requests
from services.consent.drains import drain
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Outcome, Withdrawal
from services.consent.http.shapes import Answer
from services.consent.receipts import store as receipts_store
from services.consent.settings import Settings

RETRY_AFTER_S = 1  # how soon to ask again whether it is drained


class EndedConsentView(Answer):
    """What an act was to one consent. `replaced`: a newer one had taken its place, and stands.

    `receipt`: a compact JWS; none for what had ended before the act.
    """

    consent_id: UUID
    outcome: Outcome
    receipt: str | None


class WithdrawalView(Answer):
    """What was ended, and whether it is `drained`: nothing older is in flight.

    `receipt`: a compact JWS, issued when it was registered; of an act on several consents each has its own.
    """

    withdrawal_id: UUID
    act: Act
    consent_id: UUID | None
    refusal_id: UUID | None
    restriction_id: UUID | None
    basis_id: UUID | None
    authority_id: UUID | None
    consents: tuple[EndedConsentView, ...]
    status: Literal["draining", "drained"]
    registered_at: Moment
    drained_at: Moment | None
    receipt: str | None


STATUSES: dict[int | str, dict[str, Any]] = {
    202: {"model": WithdrawalView, "description": "registered; something older is still in flight"}
}


def request_of(by: Acting, key: str | None, content: str) -> commands_requests.Request:
    """An act by the citizen or for them. `content`: what the idempotency key stands for."""
    digest = sha256(content.encode()).hexdigest()
    return commands_requests.Request(by.borger_id, by.giver, by.actor, key, digest, uuid4, by.purposes)


async def drained_answer(
    request: HttpRequest, withdrawal: Withdrawal, prefer: str, *, status_at: str | None = None
) -> Response:
    """Wait for the drain, unless the caller prefers not to; then answer what is written down.

    `status_at`: where to ask again, when that is not the citizen's own address.
    """
    database: Database = request.app.state.database
    asynchronous = "respond-async" in {word.strip().lower() for word in prefer.split(",")}
    with available():
        if not asynchronous:
            await drain.drain(database, withdrawal, limits(request))
            request.app.state.bell.ring()
        response = await answer(database, withdrawal, status_at=status_at)
    if asynchronous:
        response.headers["Preference-Applied"] = "respond-async"
    return response


async def answer(database: Database, withdrawal: Withdrawal, *, status_at: str | None = None) -> Response:
    """`200` only for what the database says is drained."""
    async with database.read() as session:
        current = await drains_store.read(session, withdrawal.borger_id, withdrawal.withdrawal_id)
        parts = await drains_store.read_parts(session, withdrawal.withdrawal_id)
        proof = withdrawal.receipt_id and await receipts_store.find(session, withdrawal.receipt_id)
    assert current is not None
    ended = {act.object_name: None for act in Act} | {current.act.object_name: current.object_id}
    view = WithdrawalView(
        withdrawal_id=current.withdrawal_id,
        act=current.act,
        consent_id=ended["consent_id"],
        refusal_id=ended["refusal_id"],
        restriction_id=ended["restriction_id"],
        basis_id=ended["basis_id"],
        authority_id=ended["authority_id"],
        consents=tuple(
            EndedConsentView(consent_id=part.consent_id, outcome=part.outcome, receipt=part.receipt) for part in parts
        ),
        status="draining" if current.drained_at is None else "drained",
        registered_at=current.registered_at,
        drained_at=current.drained_at,
        receipt=proof.jws if proof else None,
    )
    code = 202 if current.drained_at is None else 200
    response = Response(view.model_dump_json(), code, media_type="application/json")
    if current.drained_at is None:
        point_to_status(response, current, status_at)
    return response


async def status_answer(request: HttpRequest, withdrawal: Withdrawal, *, status_at: str | None = None) -> Response:
    """Whether it is drained: looked at now, not remembered."""
    database: Database = request.app.state.database
    with available():
        await drain.look(database, withdrawal, limits(request))
        return await answer(database, withdrawal, status_at=status_at)


def point_to_status(response: Response, withdrawal: Withdrawal, status_at: str | None = None) -> None:
    """Say where to ask again, and when."""
    own = f"/v1/citizens/{withdrawal.borger_id}/withdrawals/{withdrawal.withdrawal_id}"
    response.headers["Location"] = status_at or own
    response.headers["Retry-After"] = str(RETRY_AFTER_S)


def limits(request: HttpRequest) -> drain.DrainLimits:
    """How patiently this service drains."""
    settings: Settings = request.app.state.settings
    return drain.limits_of(settings)


async def wait_for_narrowing(request: HttpRequest, response: Response, borger_id: UUID, consent_id: UUID) -> None:
    """Let the answer to a consent to less than before wait for the drain; `202` and where to ask when it takes long."""
    database: Database = request.app.state.database
    with available():
        async with database.read() as session:
            narrowing = await drains_store.read_of_object(session, borger_id, Act.NARROWING, consent_id)
        if narrowing is not None and not await drain.drain(database, narrowing, limits(request)):
            response.status_code = 202
            point_to_status(response, narrowing)
