"""The catalogue for everybody who is logged in, and the public keys for everybody."""

from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from libs.common.auth import Principal, require
from libs.common.case_events import key_of
from libs.common.database import Database, clock
from libs.common.door import Router
from libs.common.inbox import still_parked
from libs.common.sources import BindingsAnswer, ParkedAnswer, ParkedRequest
from libs.common.transaction import looked_up
from services.consent import store_catalogue
from services.consent.catalogue_view import view
from services.consent.receipts import Signer
from services.consent.schemas_catalogue import CatalogueView
from services.consent.source_bindings import bindings_of, vocabulary_of

ANYBODY = (
    *("citizen", "caseworker", "bridge_builder", "leader", "dpo", "administrator"),
    *("source_system", "recipient_system", "advis", "supervisor", "operator", "auditor"),
)

router = Router(tags=["catalogue"])


@router.get("/v1/catalogue")
async def catalogue(request: Request, _caller: Annotated[Principal, Depends(require(*ANYBODY))]) -> CatalogueView:
    """Purposes, categories, units, legal bases, texts and event types in force now."""
    database: Database = request.app.state.database
    async with database.read() as session:
        return view(await store_catalogue.current(session), await clock(session))


@router.get("/v1/sources", tags=["catalogue"])
async def sources(request: Request, _caller: Annotated[Principal, Depends(require("advis"))]) -> BindingsAnswer:
    """What each source system may report now, for the ingestion door and the consumer of advis."""
    database: Database = request.app.state.database
    async with database.read() as session:
        catalogue = await store_catalogue.current(session)
        bindings = bindings_of(catalogue, await clock(session))
    return BindingsAnswer(revision=catalogue.revision, items=bindings, units=vocabulary_of(catalogue).units)


@router.post("/v1/case-events:parked", dependencies=[Depends(require("advis"))])
async def parked(request: Request, body: ParkedRequest) -> ParkedAnswer:
    """Which of these events of one source were parked here, and why, for the door at which their source asks."""
    keys = [key_of(body.system, one.source, one.event_id) for one in body.events]
    reasons = await looked_up(request, lambda session: still_parked(session, keys))
    return ParkedAnswer(reasons=tuple(reasons))


@router.get("/.well-known/jwks.json")
async def jwks(request: Request) -> dict[str, Any]:
    """The public keys that receipts and the citizen's tokens are verified with, retired ones too."""
    signer: Signer = request.app.state.signer
    return signer.jwks()
