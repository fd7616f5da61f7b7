"""The fence's HTTP door, for `advis`, its disclosing processes and their supervisors (`docs/fence.md`).

Batches are the normal form. What is refused is missing from the answer, and nothing says why.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Response
from pydantic import BaseModel
from starlette.requests import Request

from libs.common.database.transaction import available, committed, looked_up
from libs.common.http.admission import WAY_TO_STOP, releasing
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    MissingRightError,
    NotFoundError,
)
from libs.common.wire.permits import (
    AcquireAnswer,
    AcquireRequest,
    ArrivalsAnswer,
    ArrivalsRequest,
    FenceOrders,
    HolderDead,
    HolderRegistered,
    HolderRegistration,
    PermitItem,
    PreviewAnswer,
    SettleRequest,
    Slot,
)
from libs.common.wire.values import Moment
from services.consent.fence import arrivals as fence_arrivals
from services.consent.fence import holders as fence_holders
from services.consent.fence import holders_store, permits
from services.consent.fence.holder_token import HolderOrAdvis, HolderToken, new_secret, token_of
from services.consent.scopes import scopes
from services.consent.settings import Settings

BATCH_BYTES_MAX = 512 * 1024

router = Router(tags=["fence"], max_body_size=BATCH_BYTES_MAX)


class OpenHolder(BaseModel):
    """A process that is not confirmed dead, and how many permits it has open."""

    holder_id: UUID
    slot: str
    registered_at: Moment
    fence_ordered_at: Moment | None
    open_permits: int


class OpenHolders(BaseModel):
    """Every such process."""

    holders: tuple[OpenHolder, ...]


@router.post(
    "/v1/arrivals",
    response_model=ArrivalsAnswer,
    dependencies=[Depends(require("advis"))],
    summary="Match case events with the disclosures open for them",
)
async def match_arrivals(request: Request, body: ArrivalsRequest) -> Response:
    """Which openings these case events have now, in order; `not_yet` where consent is behind the bus."""
    async with _while_awaited(request):
        found = await looked_up(request, lambda session: fence_arrivals.examine(session, body.items))
        if lapsed := found.lapsed:  # once per scope after a gap in the catalogue, or a mapping
            await committed(request, lambda session: scopes.renew(session, lapsed))
            found = await looked_up(request, lambda session: fence_arrivals.examine(session, body.items))
    return _json(ArrivalsAnswer(items=tuple(found.answers)))


@router.post("/v1/permits:acquire", response_model=AcquireAnswer, summary="Acquire disclosure permits")
async def acquire_permits(
    request: Request, body: AcquireRequest, holder_id: Annotated[UUID, Depends(HolderToken())]
) -> Response:
    """Take permits. Repeating an id repeats its answer. 403 once the holder is confirmed dead."""
    _check(body.items)
    settings: Settings = request.app.state.settings
    try:
        async with _while_awaited(request):
            granted = await committed(
                request, lambda session: permits.acquire(session, holder_id, body.items, longest_ms=settings.lease_ms)
            )
    except permits.HolderDeadError:
        raise ForbiddenError from None
    return _json(AcquireAnswer(granted=tuple(granted)))


@router.post(
    "/v1/permits:preview",
    response_model=PreviewAnswer,
    dependencies=[Depends(HolderOrAdvis())],
    summary="Preview disclosure permits",
)
async def preview_permits(request: Request, body: AcquireRequest) -> Response:
    """Which of these would be granted now. Permits nothing; a refusal is on the record as any other."""
    _check(body.items)
    async with _while_awaited(request):
        would, refused = await looked_up(request, lambda session: permits.preview(session, body.items))
        if refused:
            await committed(request, lambda session: permits.record_refused(session, refused))
    return _json(PreviewAnswer(would_grant=tuple(would)))


@router.post("/v1/permits:settle", openapi_extra=WAY_TO_STOP, status_code=204, summary="Settle disclosure permits")
async def settle_permits(
    request: Request, body: SettleRequest, holder_id: Annotated[UUID, Depends(HolderToken())]
) -> None:
    """Give permits back, known ones or not; may be repeated, and never refuses."""
    with releasing():
        await committed(request, lambda session: permits.settle(session, holder_id, body.items))


@router.post("/v1/holders", status_code=201, summary="Register a permit holder")
async def register_holder(
    request: Request, body: HolderRegistration, caller: Annotated[Principal, Depends(require("supervisor"))]
) -> HolderRegistered:
    """I am about to start this incarnation in this slot of mine. 409 when the id is taken."""
    supervisor = _supervisor_of(caller, body.slot)
    secret = new_secret()
    try:
        await committed(
            request,
            lambda session: fence_holders.register(session, body.holder_id, body.slot, supervisor, secret=secret),
        )
    except fence_holders.HolderTakenError:
        raise ConflictError from None
    return HolderRegistered(holder_id=body.holder_id, token=token_of(body.holder_id, secret))


@router.get(
    "/v1/holders",
    dependencies=[Depends(require("operator"))],
    summary="List the permit holders that are not confirmed dead",
)
async def list_holders(request: Request) -> OpenHolders:
    """Every holder that is not confirmed dead: what a withdrawal that stays `202` may be waiting for."""
    living = await looked_up(request, holders_store.read_living)
    return OpenHolders(
        holders=tuple(
            OpenHolder(
                holder_id=item.holder_id,
                slot=item.slot,
                registered_at=item.registered_at,
                fence_ordered_at=item.fence_ordered_at,
                open_permits=item.open_permits,
            )
            for item in living
        )
    )


@router.get(
    "/v1/holders/{slot:path}/orders",
    openapi_extra=WAY_TO_STOP,
    summary="List the permit holders of a slot that must be killed",
)
async def list_kill_orders(
    request: Request,
    slot: Annotated[Slot, Path()],
    caller: Annotated[Principal, Depends(require("supervisor"))],
) -> FenceOrders:
    """Which incarnations of this slot of mine are to be killed, reaped and confirmed dead."""
    _supervisor_of(caller, slot)
    with releasing():
        found = await looked_up(request, lambda session: holders_store.read_orders(session, slot))
    return FenceOrders(holder_ids=found)


@router.post(
    "/v1/holders/{holder_id}:dead",
    openapi_extra=WAY_TO_STOP,
    status_code=204,
    summary="Confirm that a permit holder is dead",
)
async def confirm_holder_dead(
    request: Request,
    holder_id: UUID,
    body: HolderDead,
    caller: Annotated[Principal, Depends(require("supervisor", "operator"))],
) -> None:
    """This one is dead. A supervisor says so of its own slots and with proof; an operator on their own word."""
    by_operator = body.proof == "operator"
    wanted = "operator" if by_operator else "supervisor"
    if wanted not in caller.roles:
        raise MissingRightError(errors=[FieldError("roles", "must hold one of these", (wanted,))])
    supervisor, actor = (None, caller.subject) if by_operator else (caller.client_id, caller.client_id)
    try:
        with releasing():
            await committed(
                request,
                lambda session: fence_holders.confirm_death(
                    session, holder_id, supervisor=supervisor, actor=actor, proof=body.proof
                ),
            )
    except fence_holders.NoSuchHolderError:
        raise NotFoundError from None


def _supervisor_of(caller: Principal, slot: str) -> str:
    if not fence_holders.owns(caller.client_id, slot):
        raise MissingRightError("The slot is another supervisor's.")
    return caller.client_id


@asynccontextmanager
async def _while_awaited(request: Request) -> AsyncIterator[None]:
    """What is asked is worked on for as long as its caller waits: under load nothing is granted that nobody takes.

    Raises UnavailableError after that. What was committed meanwhile the caller settles, as after any lost answer.
    """
    settings: Settings = request.app.state.settings
    with available():
        async with asyncio.timeout(settings.permit_wait_ms / 1_000):
            yield


def _check(items: Sequence[PermitItem]) -> None:
    """One answer per id: what is twice in a batch has no one meaning."""
    if len({item.permit_id for item in items}) != len(items):
        raise InvalidError("items", "must not hold a permit_id twice")


def _json(answer: BaseModel) -> Response:
    """Written once, by Pydantic: the framework's own way would validate it and encode it a second time."""
    return Response(answer.model_dump_json(), media_type="application/json")
