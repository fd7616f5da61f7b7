"""Bases that need no consent: a caseworker of the holder unit records and ends them, the citizen sees them."""

from hashlib import sha256
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request as HttpRequest

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed, looked_up
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from libs.common.http.problems import FieldError, MissingRightError, NotFoundError
from libs.common.running.sweep import readable
from services.consent.catalogue import store as catalogue_store
from services.consent.citizens.acting import ActingCitizen
from services.consent.commands.answers import STATUSES, WithdrawalView, drained_answer, status_answer
from services.consent.drains.store import Withdrawal
from services.consent.employees.employees import ActingEmployee, actor_for
from services.consent.employees.need_to_know import once
from services.consent.employees.staff import Employee
from services.consent.http import idempotency_store
from services.consent.http.callers import translated_for_staff
from services.consent.http.idempotency_store import ActKey, Answer
from services.consent.http.pages import Page
from services.consent.http.preconditions import Key, OptionalKey, Prefer
from services.consent.http.problems import translated
from services.consent.http.signing import Signer
from services.consent.legal_bases import commands as legal_bases_commands
from services.consent.legal_bases.commands import NewBasis
from services.consent.legal_bases.schemas import (
    BasisPage,
    BasisRequest,
    EmergencyRequest,
    StaffBasisPage,
    StaffBasisView,
    basis_view,
    staff_basis_view,
)
from services.consent.model.bilingual import Language

router = Router(prefix="/v1/other-bases", tags=["other bases"])
citizen_router = Router(prefix="/v1/citizens/{borger_id}/other-bases", tags=["other bases"])


@router.post("", status_code=201, response_model=StaffBasisView, summary="Record a legal basis other than consent")
async def record_legal_basis(
    request: HttpRequest, body: BasisRequest, by: ActingEmployee, idempotency_key: Key
) -> Response:
    """Record a basis that needs no consent, for exactly one question, from now on. The citizen is told of it.

    404 for anybody without an open case in one's own unit, 422 for a basis that needs consent or is for emergencies.
    """
    return await recorded(request, body, by, idempotency_key)


async def recorded(request: HttpRequest, body: BasisRequest, by: Employee, key: str) -> Response:
    """Record it once per key; 201 with it. 403 for staff who are no caseworkers: it is a decision in a case."""
    check_caseworker(by)
    signer: Signer = request.app.state.signer
    actor = actor_for(request, by)

    async def work(session: WriteSession) -> Answer:
        made = await legal_bases_commands.record(session, signer, by, _new(body), actor=actor)
        catalogue = await catalogue_store.current(session)
        return Answer(201, jsonable_encoder(staff_basis_view(made, catalogue, made.basis.valid_from)))

    digest = sha256(f"{type(body).__name__}\n{by.unit}\n{body.model_dump_json()}".encode()).hexdigest()
    with translated_for_staff():
        answer = await committed(
            request, lambda session: once(session, by, key, request_sha256=digest, work=lambda: work(session))
        )
    view = StaffBasisView.model_validate(answer.response)
    return Response(view.model_dump_json(), 201, media_type="application/json")


def check_caseworker(by: Employee) -> None:
    """Raises MissingRightError: a decision in a case is a caseworker's."""
    if by.role != "caseworker":
        raise MissingRightError(errors=[FieldError("roles", "must hold one of these", ("caseworker",))])


def _new(body: BasisRequest) -> NewBasis:
    return NewBasis(
        borger_id=body.borger_id,
        recipient_unit=body.recipient_unit,
        purpose=body.purpose,
        category=body.category,
        legal_basis=body.legal_basis,
        valid_until=body.valid_until,
        decision_reference=body.decision_reference,
        emergency_reason=body.reason if isinstance(body, EmergencyRequest) else None,
    )


@router.get("", summary="List the legal bases that the unit has recorded")
async def list_legal_bases(request: HttpRequest, by: ActingEmployee, page: Page) -> StaffBasisPage:
    """What one's unit has recorded, emergencies too, newest first; each person read about is on the record."""
    check_caseworker(by)
    found, catalogue, now = await committed(
        request,
        lambda session: legal_bases_commands.list_of_unit(
            session, actor_for(request, by), by.unit, after=page.after, limit=page.wanted
        ),
    )
    views = readable(found, lambda item: staff_basis_view(item, catalogue, now), name="other_bases")
    items, following = page.cut(views, lambda item: (item.valid_from, item.basis_id))
    return StaffBasisPage(items=tuple(items), next=following)


@router.post(
    "/{basis_id}:end",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="End a legal basis",
)
async def end_legal_basis(
    request: HttpRequest,
    by: ActingEmployee,
    basis_id: UUID,
    idempotency_key: OptionalKey = None,
    prefer: Prefer = "",
) -> Response:
    """End it now, an emergency too; repeating it changes nothing. The answer waits as a withdrawal's."""
    check_caseworker(by)
    signer: Signer = request.app.state.signer
    actor = actor_for(request, by)
    key = ActKey(f"employee:{by.employee_id}", idempotency_key, f"end basis\n{by.unit}\n{basis_id}")

    async def work(session: WriteSession) -> Withdrawal:
        await idempotency_store.stand_for(session, key)
        return await legal_bases_commands.end(session, signer, by, basis_id, actor=actor)

    with translated():
        withdrawal = await committed(request, work)
    return await drained_answer(request, withdrawal, prefer, status_at=f"/v1/other-bases/{basis_id}/drain")


@router.get(
    "/{basis_id}/drain",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Read whether an ended legal basis is drained",
)
async def read_legal_basis_drain(request: HttpRequest, by: ActingEmployee, basis_id: UUID) -> Response:
    """Whether what its end ended is drained: looked at now, not remembered."""
    check_caseworker(by)
    withdrawal = await looked_up(request, lambda session: legal_bases_commands.find_ending(session, basis_id, by.unit))
    if withdrawal is None:
        raise NotFoundError
    return await status_answer(request, withdrawal, status_at=f"/v1/other-bases/{basis_id}/drain")


@citizen_router.get("", summary="List the legal bases other than consent about a citizen")
async def list_citizen_legal_bases(
    request: HttpRequest,
    by: ActingCitizen,
    page: Page,
    language: Annotated[Language, Query()] = "da",
) -> BasisPage:
    """What may be told without consent, and could: which law, which unit recorded it, until when. Newest first."""
    found, catalogue, now = await committed(
        request,
        lambda session: legal_bases_commands.list_of_citizen(
            session, by.actor, by.borger_id, after=page.after, limit=page.wanted
        ),
    )
    views = readable(found, lambda item: basis_view(item, catalogue, now, language), name="other_bases")
    items, following = page.cut(views, lambda item: (item.valid_from, item.basis_id))
    return BasisPage(items=tuple(items), next=following)
