"""The staff's door to authorities: record, confirm with four eyes, reject, end, and see what the unit has recorded."""

from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Query, Response
from fastapi.encoders import jsonable_encoder
from pydantic import Field
from starlette.requests import Request as HttpRequest

from libs.common.database.database import Session, WriteSession, clock
from libs.common.database.transaction import committed, looked_up
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from libs.common.wire.messages import PURPOSES_MAX, CaseReference, Code
from libs.common.wire.values import Day, EndDay, Flag
from services.consent.citizens import authorities_store
from services.consent.citizens.authority import Authority, AuthorityKind, AuthorityStatus
from services.consent.citizens.vault import Vault
from services.consent.commands.draining import answered, is_drained
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Withdrawal
from services.consent.employees.employees import ActingEmployee, PersonReference, actor_for
from services.consent.employees.need_to_know import check_not_their_own, once, whom
from services.consent.employees.staff import Employee
from services.consent.http.callers import translated_for_staff
from services.consent.http.idempotency_store import Answer
from services.consent.http.pages import Page, listed_of_many
from services.consent.http.preconditions import IfMatch, Key, OptionalKey, Prefer, check_match, etag_of
from services.consent.http.shapes import Request
from services.consent.http.signing import Signer
from services.consent.representation import commands as representation_commands
from services.consent.representation.commands import Step
from services.consent.representation.schemas import AuthorityPage, Kind, StaffAuthorityView, Status, staff_view

router = Router(prefix="/v1/authorities", tags=["authorities"])

_STATUSES: dict[int | str, dict[str, Any]] = {
    202: {"model": StaffAuthorityView, "description": "decided; something older is still in flight"}
}


class AuthorityRequest(Request):
    """An authority as its document says. `purposes` left out: every purpose; `valid_to`: the first day off.

    `replaces_citizen`: a guardian by a court order that takes the decision from the citizen. `evidence`: where the
    document is kept, never what it says.
    """

    citizen: PersonReference
    representative: PersonReference
    kind: Kind
    replaces_citizen: Flag = False
    purposes: tuple[Code, ...] | None = Field(default=None, max_length=PURPOSES_MAX)
    valid_from: Day
    valid_to: EndDay | None = None
    evidence: CaseReference


@router.post(
    "", status_code=201, response_model=StaffAuthorityView, summary="Record an authority to represent a citizen"
)
async def record_authority(
    request: HttpRequest, body: AuthorityRequest, by: ActingEmployee, idempotency_key: Key
) -> Response:
    """Record an authority. It counts for nothing until a second employee confirms it.

    403 in one's own or one's child's matter, 404 for an id without an open case in the unit, 409 when the
    representative has an authority for the citizen already.
    """
    vault: Vault = request.app.state.vault
    actor = actor_for(request, by)

    async def propose(session: WriteSession) -> Answer:
        citizen = await whom(session, vault, by, body.citizen.named(), actor=actor)
        representative = await whom(session, vault, by, body.representative.named(), actor=actor)
        await check_not_their_own(session, by, citizen, representative)
        now = await clock(session)
        new = await representation_commands.record(
            session, _authority(body, by, citizen=citizen, representative=representative, now=now), actor
        )
        return Answer(201, jsonable_encoder(staff_view(new, now)))

    digest, *older = vault.fingerprints(f"authority\n{by.employee_id}\n{body.model_dump_json()}")
    with translated_for_staff():
        answer = await committed(
            request,
            lambda s: once(s, by, idempotency_key, request_sha256=digest, alike=older, work=lambda: propose(s)),
        )
    view = StaffAuthorityView.model_validate(answer.response)
    path = f"/v1/authorities/{view.authority_id}"
    return answered(view, status=201, path=path, drained=True, etag=etag_of(view))


def _authority(
    body: AuthorityRequest, by: Employee, *, citizen: UUID, representative: UUID, now: datetime
) -> Authority:
    return Authority(
        authority_id=uuid4(),
        borger_id=citizen,
        representative=representative,
        kind=AuthorityKind(body.kind),
        replaces=body.replaces_citizen,
        purposes=None if body.purposes is None else frozenset(body.purposes),
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        evidence=body.evidence,
        recorded_by=by.employee_id,
        recorded_unit=by.unit,
        recorded_at=now,
    )


@router.get("", summary="List the authorities that the unit has recorded")
async def list_authorities(
    request: HttpRequest,
    by: ActingEmployee,
    page: Page,
    status: Annotated[Status | None, Query(description="as it is written down")] = None,
) -> AuthorityPage:
    """What one's unit has recorded, newest first."""
    wanted = None if status is None else AuthorityStatus(status)
    found, now = await listed_of_many(
        request,
        "authorities.listed",
        actor_for(request, by),
        lambda session, now: authorities_store.page(
            session, by.unit, wanted, after=page.before(now), limit=page.wanted
        ),
    )
    place = attrgetter("recorded_at", "authority_id")
    return AuthorityPage.cut(found, page, view=lambda item: staff_view(item, now), key=place, name="authorities")


@router.get("/{authority_id}", response_model=StaffAuthorityView, summary="Read an authority")
async def read_authority(request: HttpRequest, by: ActingEmployee, authority_id: UUID) -> Response:
    """One authority, with its `ETag`; whether it drains is looked at now."""
    actor = actor_for(request, by)
    with translated_for_staff():
        found, now = await committed(
            request, lambda session: representation_commands.read_one(session, by, authority_id, actor=actor)
        )
    return await _answer(request, found, now, prefer="respond-async", status=200, always=True)


@router.post(
    "/{authority_id}:confirm", response_model=StaffAuthorityView, responses=_STATUSES, summary="Confirm an authority"
)
async def confirm_authority(
    request: HttpRequest,
    by: ActingEmployee,
    authority_id: UUID,
    idempotency_key: Key,
    *,
    if_match: IfMatch = None,
    prefer: Prefer = "",
) -> Response:
    """Put it in force, as a second employee (409 for the one who recorded it).

    When it ends something, as a guardian who replaces the citizen does, the answer waits as a withdrawal's.
    """
    return await _decide(
        request,
        by,
        authority_id,
        step="confirmed",
        key=idempotency_key,
        if_match=if_match,
        prefer=prefer,
    )


@router.post("/{authority_id}:reject", response_model=StaffAuthorityView, summary="Reject an authority")
async def reject_authority(
    request: HttpRequest, by: ActingEmployee, authority_id: UUID, idempotency_key: Key, if_match: IfMatch = None
) -> Response:
    """Do not put it in force, as a second employee."""
    return await _decide(request, by, authority_id, step="rejected", key=idempotency_key, if_match=if_match, prefer="")


@router.post(
    "/{authority_id}:end",
    openapi_extra=WAY_TO_STOP,
    response_model=StaffAuthorityView,
    responses=_STATUSES,
    summary="End an authority",
)
async def end_authority(
    request: HttpRequest,
    by: ActingEmployee,
    authority_id: UUID,
    idempotency_key: OptionalKey = None,
    prefer: Prefer = "",
) -> Response:
    """End it now: one employee is enough, and repeating it changes nothing. The answer waits as a withdrawal's."""
    return await _decide(
        request, by, authority_id, step="ended", key=idempotency_key or uuid4().hex, if_match="*", prefer=prefer
    )


async def _decide(
    request: HttpRequest,
    by: Employee,
    authority_id: UUID,
    *,
    step: Step,
    key: str,
    if_match: str | None,
    prefer: str,
) -> Response:
    signer: Signer = request.app.state.signer
    actor = actor_for(request, by)

    async def work(session: WriteSession) -> Answer:
        found, now = await representation_commands.read_one(session, by, authority_id, actor=None)
        check_match(if_match, etag_of(staff_view(found, now)))
        await check_not_their_own(session, by, found.borger_id, found.representative)
        decided = await representation_commands.decide(session, signer, by, found, step=step, actor=actor)
        return Answer(200, jsonable_encoder(staff_view(decided.authority, now)))

    digest = _digest(step, by, str(authority_id))
    with translated_for_staff():
        await committed(request, lambda s: once(s, by, key, request_sha256=digest, work=lambda: work(s)))
        found, now = await committed(
            request, lambda session: representation_commands.read_one(session, by, authority_id, actor=None)
        )
    return await _answer(request, found, now, prefer=prefer, status=200)


async def _answer(
    request: HttpRequest, found: Authority, now: datetime, *, prefer: str, status: int, always: bool = False
) -> Response:
    withdrawal = await looked_up(request, lambda session: _waited_for(session, found))
    drained = await is_drained(request, withdrawal, prefer)
    view = staff_view(found, now, draining=not drained)
    etag = etag_of(staff_view(found, now))
    path = f"/v1/authorities/{found.authority_id}"
    return answered(view, status=status, path=path, drained=drained or always, etag=etag)


async def _waited_for(session: Session, found: Authority) -> Withdrawal | None:
    act = Act.AUTHORITY_ENDED if found.status is AuthorityStatus.ENDED else Act.AUTHORITY_CONFIRMED
    return await drains_store.read_of_object(session, found.borger_id, act, found.authority_id)


def _digest(act: str, by: Employee, content: str) -> str:
    return sha256(f"{act}\n{by.employee_id}\n{content}".encode()).hexdigest()
