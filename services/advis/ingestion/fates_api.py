"""What became of a source's own events: accepted, or parked with a reason. Nothing else, and of nobody else's.

Whether anybody was told, or the person is known here, makes no difference to the answer or to what is looked up.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Depends, Path, Query

from libs.common.bus.case_events import Key, key_of
from libs.common.consuming.inbox import still_parked
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import ForbiddenError, InvalidError, NotFoundError, UnavailableError
from libs.common.wire.identifiers import EventId, EventSource
from libs.common.wire.sources import Binding
from services.advis.consent.client import ConsentUnavailableError
from services.advis.ingestion import fates_store
from services.advis.ingestion.api import sources_of
from services.advis.ingestion.schemas import EventFate, EventFates, FatesRequest
from services.advis.reference.sources import client_of
from services.advis.resources import Resources, resources

router = Router(prefix="/v1", tags=["case events"])

Source = Annotated[Principal, Depends(require("source_system"))]
Means = Annotated[Resources, Depends(resources)]


@router.get("/case-events/{event_id}", summary="Read the fate of a case event")
async def read_event_fate(
    event_id: Annotated[EventId, Path()],
    principal: Source,
    means: Means,
    source: Annotated[EventSource | None, Query(description="its CloudEvents source, where I have several")] = None,
) -> EventFate:
    """`accepted`: it has its effect, or will have. `parked`: it can have none, for the reason given."""
    binding = await _binding(principal, means)
    if source is None and len(binding.event_sources) > 1:
        raise InvalidError("source", "is required where a system has several CloudEvents sources")
    (fate,) = await _fates(means, binding, [(source or binding.event_sources[0], event_id)])
    if fate.fate == "unknown":
        raise NotFoundError
    return fate


@router.post("/case-events:fates", summary="List the fates of several case events")
async def list_event_fates(body: FatesRequest, principal: Source, means: Means) -> EventFates:
    """In the order asked; `unknown` for an id that this system has not used."""
    binding = await _binding(principal, means)
    return EventFates(events=await _fates(means, binding, [(one.source, one.event_id) for one in body.events]))


async def _binding(principal: Principal, means: Resources) -> Binding:
    binding = client_of(await sources_of(means), principal.client_id)
    if binding is None:
        raise ForbiddenError
    return binding


async def _fates(means: Resources, binding: Binding, asked: Sequence[Key]) -> tuple[EventFate, ...]:
    """The same is looked up here and at consent, whatever is found. Raises UnavailableError while consent is away."""
    async with means.database.read() as session:
        keys = [key_of(binding.code, *one) for one in asked]
        known = await fates_store.known(session, keys)
        parked_here = await still_parked(session, keys)
    try:
        parked_there = await means.sources.parked(binding, asked)
    except ConsentUnavailableError:
        raise UnavailableError from None
    found = zip(asked, known, parked_here, parked_there, strict=True)
    return tuple(_fate(one, here or there, known=is_known) for one, is_known, here, there in found)


def _fate(named: Key, reason: str | None, *, known: bool) -> EventFate:
    fate: Literal["accepted", "parked", "unknown"] = "parked" if reason else "accepted" if known else "unknown"
    return EventFate(source=named[0], event_id=named[1], fate=fate, reason=reason)
