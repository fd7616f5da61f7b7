"""What became of a source's own events: accepted, or parked with a reason. Nothing else, and of nobody else's.

Whether anybody was told, or the person is known here, makes no difference to the answer or to what is looked up.
"""

from typing import Annotated

from fastapi import Depends, Path, Query

from libs.common.auth import Principal, require
from libs.common.case_events import key_of
from libs.common.door import Router
from libs.common.identifiers import EventId, EventSource
from libs.common.problems import ForbiddenError, InvalidError, NotFoundError
from libs.common.sources import Binding
from services.advis import store_fates
from services.advis.api_events import sources_of
from services.advis.resources import Resources, resources
from services.advis.schemas import EventFate, EventFates, FatesRequest
from services.advis.sources import client_of
from services.advis.store_fates import Known

router = Router(prefix="/v1", tags=["case events"])

Source = Annotated[Principal, Depends(require("source_system"))]
Means = Annotated[Resources, Depends(resources)]


@router.get("/case-events/{event_id}", summary="What became of one of my events")
async def read_fate(
    event_id: Annotated[EventId, Path()],
    principal: Source,
    means: Means,
    source: Annotated[EventSource | None, Query(description="its CloudEvents source, where I have several")] = None,
) -> EventFate:
    """`accepted`: it has its effect, or will have. `parked`: it can have none, for the reason given."""
    binding = await _binding(principal, means)
    if source is None and len(binding.event_sources) > 1:
        raise InvalidError("source", "is required where a system has several CloudEvents sources")
    asked = [(source or binding.event_sources[0], event_id)]
    async with means.database.read() as session:
        (known,) = await store_fates.fates(session, [key_of(binding.code, *one) for one in asked])
    fate = _fate(*asked[0], known)
    if fate is None:
        raise NotFoundError
    return fate


@router.post("/case-events:fates", summary="What became of many of my events")
async def read_fates(body: FatesRequest, principal: Source, means: Means) -> EventFates:
    """In the order asked; `unknown` for an id that this system has not used."""
    binding = await _binding(principal, means)
    asked = [(one.source, one.event_id) for one in body.events]
    async with means.database.read() as session:
        known = await store_fates.fates(session, [key_of(binding.code, *one) for one in asked])
    found = [_fate(*one, fate) or _unknown(*one) for one, fate in zip(asked, known, strict=True)]
    return EventFates(events=tuple(found))


async def _binding(principal: Principal, means: Resources) -> Binding:
    binding = client_of(await sources_of(means), principal.client_id)
    if binding is None:
        raise ForbiddenError
    return binding


def _fate(source: str, event_id: str, known: Known) -> EventFate | None:
    if known.reason is not None and not known.heard:
        return EventFate(source=source, event_id=event_id, fate="parked", reason=known.reason)
    return EventFate(source=source, event_id=event_id, fate="accepted") if known.heard or known.taken else None


def _unknown(source: str, event_id: str) -> EventFate:
    return EventFate(source=source, event_id=event_id, fate="unknown")
