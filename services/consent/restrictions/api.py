"""Restrict what may be used, and lift it (GDPR art. 18, R27): the citizen's door, and the data protection officer's.

What a `200` and a `202` promise: `api_drain`.
"""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import Depends, Path, Response
from pydantic import Field
from starlette.requests import Request as HttpRequest

from libs.common.database.database import WriteSession
from libs.common.database.transaction import committed, looked_up
from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import ConflictError, NotFoundError
from libs.common.running.sweep import readable
from libs.common.wire.identifiers import Uuid
from libs.common.wire.values import Moment
from services.consent.citizens import store as citizens_store
from services.consent.citizens.acting import acting, acting_within
from services.consent.commands.answers import STATUSES, WithdrawalView, drained_answer, status_answer
from services.consent.commands.requests import Request as ActRequest
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act
from services.consent.http import idempotency_store
from services.consent.http.audit import Actor
from services.consent.http.callers import actor_of, assurance_of
from services.consent.http.idempotency_store import ActKey
from services.consent.http.pages import Page
from services.consent.http.preconditions import OptionalKey, Prefer
from services.consent.http.problems import translated
from services.consent.http.shapes import Answer, Request
from services.consent.http.signing import Signer
from services.consent.model.acting import Giver, Office
from services.consent.restrictions import commands as restrictions_commands
from services.consent.restrictions.commands import NotAnnouncedError
from services.consent.restrictions.store import Kept
from services.consent.settings import Settings

router = Router(prefix="/v1/citizens/{borger_id}/restrictions", tags=["restrictions"])

Ground = Literal["accuracy_contested", "unlawful_not_erased", "legal_claim", "objection_pending"]


class RestrictionRequest(Request):
    """Keep it, and do not use it. `ground`: the letters (a) to (d) of GDPR art. 18(1), in their order."""

    consent_id: Uuid | None = Field(default=None, description="left out: everything about the citizen")
    ground: Ground


class RestrictionView(Answer):
    """A restriction. `consent_id` null: of everything. `announced_at`: when the citizen was told of its lifting."""

    restriction_id: UUID
    consent_id: UUID | None
    ground: Ground
    recorded_at: Moment
    recorded_by: Literal["citizen", "dpo"]
    announced_at: Moment | None
    lifted_at: Moment | None
    lifted_by: Literal["citizen", "dpo"] | None


class RestrictionPage(Answer):
    """Newest first. `next`: the cursor of the next page, null at the end."""

    items: tuple[RestrictionView, ...]
    next: str | None


class RestrictionLifted(Answer):
    """The receipt of the lifting."""

    restriction_id: UUID
    receipt: str


@dataclass(frozen=True, slots=True)
class Concerned:
    """The citizen, whoever acts for them in everything, or the data protection officer on their behalf."""

    borger_id: UUID
    by: Giver | Office
    actor: Actor

    @property
    def is_officer(self) -> bool:
        """Whether it is the data protection officer."""
        return isinstance(self.by, Office)


async def concerned(
    request: HttpRequest,
    caller: Annotated[Principal, Depends(require("citizen", "dpo"))],
    borger_id: Annotated[UUID, Path()],
) -> Concerned:
    """Dependency. 404 for somebody one may not act for, and to the officer for somebody who is not known."""
    if "dpo" not in caller.roles:
        by = await acting(await acting_within(request, caller, borger_id))
        return Concerned(borger_id, by.giver, by.actor)
    if await looked_up(request, lambda session: citizens_store.born(session, borger_id)) is None:
        raise NotFoundError
    actor = actor_of(request, caller.subject, "dpo", unit=caller.unit)
    return Concerned(borger_id, Office(caller.unit or "DPO", assurance_of(caller)), actor)


Party = Annotated[Concerned, Depends(concerned)]


@router.post(
    "",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Restrict the processing of a citizen's information",
)
async def restrict_processing(
    request: HttpRequest,
    party: Party,
    body: RestrictionRequest,
    idempotency_key: OptionalKey = None,
    prefer: Prefer = "",
) -> Response:
    """Restrict it. It is kept, and from the answer `200` on nothing is disclosed under it."""
    signer: Signer = request.app.state.signer
    asked = _request(party, idempotency_key, f"restrict\n{party.borger_id}\n{body.model_dump_json()}")
    with translated():
        withdrawal = await committed(
            request,
            lambda session: restrictions_commands.restrict(
                session, signer, asked, consent_id=body.consent_id, ground=body.ground
            ),
        )
    return await drained_answer(request, withdrawal, prefer, status_at=_drain_path(party, withdrawal.object_id))


@router.get("", summary="List a citizen's restrictions")
async def list_restrictions(request: HttpRequest, party: Party, page: Page) -> RestrictionPage:
    """Every restriction, newest first, standing and lifted."""
    found = await committed(
        request,
        lambda session: restrictions_commands.list_restrictions(
            session, party.actor, party.borger_id, after=page.after, limit=page.wanted
        ),
    )
    views = readable(found, restriction_view, name="restrictions")
    items, following = page.cut(views, lambda item: (item.recorded_at, item.restriction_id))
    return RestrictionPage(items=tuple(items), next=following)


@router.get(
    "/{restriction_id}/drain",
    openapi_extra=WAY_TO_STOP,
    response_model=WithdrawalView,
    responses=STATUSES,
    summary="Read whether a restriction is drained",
)
async def read_restriction_drain(request: HttpRequest, party: Party, restriction_id: UUID) -> Response:
    """Whether what it ended is drained: looked at now, not remembered."""
    withdrawal = await looked_up(
        request,
        lambda session: drains_store.read_of_object(session, party.borger_id, Act.RESTRICTION, restriction_id),
    )
    if withdrawal is None:
        raise NotFoundError
    return await status_answer(request, withdrawal, status_at=_drain_path(party, restriction_id))


@router.post("/{restriction_id}:announce-lifting", summary="Announce that a restriction will be lifted")
async def announce_restriction_lifting(
    request: HttpRequest, caller: Annotated[Principal, Depends(require("dpo"))], borger_id: UUID, restriction_id: UUID
) -> RestrictionView:
    """The officer tells the citizen that it will be lifted (art. 18(3)). Repeating it tells nothing anew."""
    actor = actor_of(request, caller.subject, "dpo", unit=caller.unit)
    with translated():
        kept = await committed(
            request,
            lambda session: restrictions_commands.announce_lifting(session, actor, borger_id, restriction_id),
        )
    return restriction_view(kept)


@router.post("/{restriction_id}:lift", summary="Lift a restriction")
async def lift_restriction(
    request: HttpRequest,
    party: Party,
    restriction_id: UUID,
    idempotency_key: OptionalKey = None,
) -> RestrictionLifted:
    """Lift it; repeating it answers the same. 409 to the officer until the citizen has been told long enough before."""
    signer: Signer = request.app.state.signer
    settings: Settings = request.app.state.settings
    notice = timedelta(days=settings.restriction_notice_days) if party.is_officer else None
    asked = _request(party, None, "")
    key = ActKey(asked.key_owner, idempotency_key, f"lift restriction\n{party.borger_id}\n{restriction_id}")

    async def work(session: WriteSession) -> str:
        await idempotency_store.stand_for(session, key)
        return await restrictions_commands.lift(session, signer, asked, restriction_id, notice=notice)

    try:
        with translated():
            receipt = await committed(request, work)
    except NotAnnouncedError:
        raise ConflictError("The citizen must be told before it is lifted, and given the time to answer.") from None
    return RestrictionLifted(restriction_id=restriction_id, receipt=receipt)


def _drain_path(party: Concerned, restriction_id: UUID) -> str:
    return f"/v1/citizens/{party.borger_id}/restrictions/{restriction_id}/drain"


def _request(party: Concerned, key: str | None, content: str) -> ActRequest:
    return ActRequest(party.borger_id, party.by, party.actor, key, sha256(content.encode()).hexdigest(), uuid4)


def restriction_view(kept: Kept) -> RestrictionView:
    """A restriction as the citizen sees it."""
    made = kept.restriction
    return RestrictionView.model_validate(
        {
            "restriction_id": made.restriction_id,
            "consent_id": made.consent_id,
            "ground": kept.ground,
            "recorded_at": made.recorded_at,
            "recorded_by": kept.recorded_by,
            "announced_at": kept.announced_at,
            "lifted_at": made.lifted_at,
            "lifted_by": kept.lifted_by,
        }
    )
