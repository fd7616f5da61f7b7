"""The catalogue for everybody who is logged in, and the public keys for everybody."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from libs.common.bus.case_events import key_of
from libs.common.consuming.inbox import still_parked
from libs.common.database.database import Database, clock
from libs.common.database.transaction import looked_up
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.wire.sources import BindingsAnswer, ParkedAnswer, ParkedRequest
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.schemas import CatalogueView
from services.consent.catalogue.source_bindings import bindings_of, vocabulary_of
from services.consent.catalogue.views import view

ANYBODY = (
    *("citizen", "caseworker", "bridge_builder", "leader", "dpo", "administrator"),
    *("source_system", "recipient_system", "advis", "supervisor", "operator", "auditor"),
)

router = Router(tags=["catalogue"])


@router.get("/v1/catalogue", summary="Read the catalogue in force")
async def read_catalogue(request: Request, _caller: Annotated[Principal, Depends(require(*ANYBODY))]) -> CatalogueView:
    """Purposes, categories, units, legal bases, texts and event types in force now."""
    database: Database = request.app.state.database
    async with database.read() as session:
        return view(await catalogue_store.current(session), await clock(session))


@router.get("/v1/sources", tags=["catalogue"], summary="List the source systems and what each may report")
async def list_sources(request: Request, _caller: Annotated[Principal, Depends(require("advis"))]) -> BindingsAnswer:
    """What each source system may report now, for the ingestion door and the consumer of advis."""
    database: Database = request.app.state.database
    async with database.read() as session:
        catalogue = await catalogue_store.current(session)
        bindings = bindings_of(catalogue, await clock(session))
    return BindingsAnswer(revision=catalogue.revision, items=bindings, units=vocabulary_of(catalogue).units)


@router.post(
    "/v1/case-events:parked",
    dependencies=[Depends(require("advis"))],
    summary="List which case events consent has parked",
)
async def list_parked_events(request: Request, body: ParkedRequest) -> ParkedAnswer:
    """Which of these events of one source were parked here, and why, for the door at which their source asks."""
    keys = [key_of(body.system, one.source, one.event_id) for one in body.events]
    reasons = await looked_up(request, lambda session: still_parked(session, keys))
    return ParkedAnswer(reasons=tuple(reasons))
