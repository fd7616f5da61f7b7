"""The staff's door to what citizens say by telephone or in person (U4): attest it, confirm it with four eyes, see it.

A no is answered as the citizen's own would be: `200` once nothing older is in flight, `202` otherwise.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request as HttpRequest

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed, looked_up
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from libs.common.http.problems import ConflictError, ForbiddenError, PreconditionError
from services.consent.attestations import commands as attestations_commands
from services.consent.attestations import store as attestations_store
from services.consent.attestations.attestation import AttestedAct, AttestedStatus
from services.consent.attestations.commands import Heard, Limits
from services.consent.attestations.schemas import (
    AttestationPage,
    AttestationRequest,
    AttestationView,
    Status,
    attestation_view,
)
from services.consent.attestations.store import StaleAttestationError
from services.consent.citizens.vault import Vault
from services.consent.commands.draining import answered, is_drained
from services.consent.employees.employees import ActingEmployee, actor_for
from services.consent.employees.need_to_know import once, whom
from services.consent.employees.staff import Employee
from services.consent.http.audit import Actor
from services.consent.http.callers import translated_for_staff
from services.consent.http.idempotency_store import Answer
from services.consent.http.pages import Page, listed_of_many
from services.consent.http.preconditions import IfMatch, Key, Prefer, check_match, etag_of
from services.consent.http.signing import Signer
from services.consent.model.acting import Method
from services.consent.model.errors import LaterNoError, NotYoursError
from services.consent.settings import Settings

router = Router(prefix="/v1/attestations", tags=["attestations"])

_STATUSES: dict[int | str, dict[str, Any]] = {
    200: {"model": AttestationView, "description": "a no, or a narrower yes: registered and drained"},
    202: {"model": AttestationView, "description": "registered; something older is still in flight"},
}


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        with translated_for_staff():
            yield
    except NotYoursError:
        raise ForbiddenError from None
    except LaterNoError:
        raise ConflictError("The citizen has said no to it after the conversation.") from None
    except StaleAttestationError:
        raise PreconditionError from None


@router.post(
    "",
    openapi_extra=WAY_TO_STOP,
    status_code=201,
    response_model=AttestationView,
    responses=_STATUSES,
    summary="Attest a citizen's spoken declaration",
)
async def attest_declaration(
    request: HttpRequest, body: AttestationRequest, by: ActingEmployee, idempotency_key: Key, prefer: Prefer = ""
) -> Response:
    """Register what a citizen has said. A no is in effect at once; a yes to a special category waits for a second.

    403 in one's own or one's child's matter, or between units that are not the employee's; 404 for an id without an
    open case in the unit, for somebody the speaker may not act for, and for a consent that is not there or not theirs
    to know of; 409 when the citizen has said no to it since.
    """
    signer: Signer = request.app.state.signer
    actor = actor_for(request, by)

    async def work(session: WriteSession) -> Answer:
        heard = await _heard(request, session, body, by, actor=actor)
        made = await attestations_commands.attest(session, signer, by, heard, limits=_limits(request), actor=actor)
        return Answer(201, jsonable_encoder(attestation_view(made, made.registered_at)))

    vault: Vault = request.app.state.vault
    digest, *older = vault.fingerprints(f"attest\n{by.employee_id}\n{body.model_dump_json()}")
    with _refusals():
        answer = await committed(
            request, lambda s: once(s, by, idempotency_key, request_sha256=digest, alike=older, work=lambda: work(s))
        )
    made = AttestationView.model_validate(answer.response)
    status = 201 if body.act.kind in {AttestedAct.GRANT, AttestedAct.LIFT} else 200
    return await _answer(request, by, made.attestation_id, prefer=prefer, status=status)


async def _heard(
    request: HttpRequest, session: WriteSession, body: AttestationRequest, by: Employee, *, actor: Actor
) -> Heard:
    vault: Vault = request.app.state.vault
    giver = await whom(session, vault, by, body.citizen.named(), actor=actor)
    about = giver if body.about is None else await whom(session, vault, by, body.about.named(), actor=actor)
    content = body.act.model_dump(mode="json", exclude={"kind"})
    return Heard(giver, about, AttestedAct(body.act.kind), content, Method(body.method), body.conversed_at)


@router.get("", summary="List the attestations of the unit")
async def list_attestations(
    request: HttpRequest,
    by: ActingEmployee,
    page: Page,
    status: Annotated[Status | None, Query()] = None,
) -> AttestationPage:
    """What one's unit has attested, newest first; `status=proposed` is what waits for a second employee."""
    wanted = None if status is None else AttestedStatus(status)
    found, now = await listed_of_many(
        request,
        "attestations.listed",
        actor_for(request, by),
        lambda session, now: attestations_store.page(
            session, by.unit, wanted, now=now, after=page.before(now), limit=page.wanted
        ),
    )
    place = attrgetter("registered_at", "attestation_id")
    return AttestationPage.cut(
        found, page, view=lambda item: attestation_view(item, now), key=place, name="attestations"
    )


@router.get("/{attestation_id}", response_model=AttestationView, summary="Read an attestation")
async def read_attestation(request: HttpRequest, by: ActingEmployee, attestation_id: UUID) -> Response:
    """One attestation, with its `ETag`; whether it drains is looked at now."""
    actor = actor_for(request, by)
    return await _answer(request, by, attestation_id, prefer="respond-async", status=200, actor=actor)


@router.post(
    "/{attestation_id}:confirm",
    response_model=AttestationView,
    responses={202: _STATUSES[202]},
    summary="Confirm an attestation",
)
async def confirm_attestation(
    request: HttpRequest,
    by: ActingEmployee,
    attestation_id: UUID,
    idempotency_key: Key,
    *,
    if_match: IfMatch = None,
    prefer: Prefer = "",
) -> Response:
    """Confirm it as a second employee (409 for the one who attested it): it takes effect now."""
    await _decide(request, by, attestation_id, to=AttestedStatus.CONFIRMED, key=idempotency_key, if_match=if_match)
    return await _answer(request, by, attestation_id, prefer=prefer, status=200)


@router.post("/{attestation_id}:reject", response_model=AttestationView, summary="Reject an attestation")
async def reject_attestation(
    request: HttpRequest, by: ActingEmployee, attestation_id: UUID, idempotency_key: Key, if_match: IfMatch = None
) -> Response:
    """Reject it as a second employee: it never takes effect."""
    await _decide(request, by, attestation_id, to=AttestedStatus.REJECTED, key=idempotency_key, if_match=if_match)
    return await _answer(request, by, attestation_id, prefer="", status=200)


async def _decide(
    request: HttpRequest, by: Employee, attestation_id: UUID, *, to: AttestedStatus, key: str, if_match: str | None
) -> None:
    signer: Signer = request.app.state.signer
    actor = actor_for(request, by)

    async def work(session: WriteSession) -> Answer:
        found, now = await attestations_commands.read_one(session, by, attestation_id, actor=None)
        check_match(if_match, etag_of(attestation_view(found, now)))
        decided = await attestations_commands.settle(session, signer, by, found, status=to, actor=actor)
        return Answer(200, jsonable_encoder(attestation_view(decided, now)))

    digest = sha256(f"{to}\n{by.employee_id}\n{attestation_id}".encode()).hexdigest()
    with _refusals():
        await committed(request, lambda s: once(s, by, key, request_sha256=digest, work=lambda: work(s)))


async def _answer(
    request: HttpRequest, by: Employee, attestation_id: UUID, *, prefer: str, status: int, actor: Actor | None = None
) -> Response:
    with _refusals():
        found, now = await committed(
            request, lambda session: attestations_commands.read_one(session, by, attestation_id, actor=actor)
        )
    withdrawal = await looked_up(request, lambda session: attestations_commands.waited_for(session, found))
    drained = await is_drained(request, withdrawal, prefer)
    view = attestation_view(found, now, draining=not drained)
    etag = etag_of(attestation_view(found, now))
    path = f"/v1/attestations/{attestation_id}"
    return answered(view, status=status, path=path, drained=drained or actor is not None, etag=etag)


def _limits(request: HttpRequest) -> Limits:
    settings: Settings = request.app.state.settings
    return Limits(timedelta(days=settings.attest_within_days), timedelta(days=settings.attestation_confirm_days))
