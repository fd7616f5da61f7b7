"""The ingestion door: case events from source systems that have no Kafka.

1. A request is accepted whole or not at all. 2. Repeating it changes nothing and answers the same; the same id with
other content is a conflict, judged among the source's own events alone. 3. What is not the source's to say is refused
with one constant answer, whatever was wrong, put on the record, and an alarm (ADR 0016).
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request

from libs.common.bus import case_events
from libs.common.bus.case_events import CaseEvent
from libs.common.database.database import WriteSession, clock
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.headers import is_media_type
from libs.common.http.problems import ConflictError, ForbiddenError, InvalidError, UnavailableError
from libs.common.service.document import body_of
from libs.common.wire.sources import Binding, BindingsAnswer, Violation
from libs.common.wire.values import JsonError, strict_json
from services.advis.consent.client import ConsentUnavailableError
from services.advis.ingestion import commands as ingestion_commands
from services.advis.ingestion.schemas import BATCH_MAX, AcceptedEvents, CaseEventDocument, EventBatch
from services.advis.model.audit import Actor
from services.advis.model.errors import EventConflictError
from services.advis.model.events import EventRefused
from services.advis.reference.sources import client_of, vocabulary_of
from services.advis.resources import Resources, resources

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

router = Router(prefix="/v1", tags=["case events"])

Source = Annotated[Principal, Depends(require("source_system"))]
Means = Annotated[Resources, Depends(resources)]


@router.post(
    "/case-events",
    status_code=202,
    openapi_extra=body_of({SINGLE: CaseEventDocument, BATCH: EventBatch}),
    summary="Ingest case events",
)
async def ingest_case_events(request: Request, principal: Source, means: Means) -> AcceptedEvents:
    """Put one event, or a batch of at most 100, on the bus; each exactly once per (source, id)."""
    known = await sources_of(means)
    actor = Actor(principal.client_id, "source_system")
    binding = client_of(known, principal.client_id)
    if binding is None:
        raise await _refused(means, actor, Violation.UNKNOWN, None)
    documents, named = await _documents(request)
    vocabulary, now = vocabulary_of(known, means.reference), datetime.now(UTC)
    read = [
        case_events.from_document(document, prefix, now=now) for document, prefix in zip(documents, named, strict=True)
    ]
    for one in read:
        if wrong := case_events.judge(binding, one.event, one.data, vocabulary):
            raise await _refused(means, actor, wrong, one.subject)
    for one, prefix in zip(read, named, strict=True):
        case_events.require_known(one, prefix, vocabulary)
    correlation = request.scope["state"]["correlation_id"]
    taken = [_said_by(binding, one, correlation) for one in read]

    async def ingested(session: WriteSession) -> None:
        await ingestion_commands.ingest(session, taken, actor, await clock(session))

    try:
        await means.committed(ingested)
    except EventConflictError:
        raise ConflictError("This source has used the same event id for another event.") from None
    return AcceptedEvents(accepted=tuple(event.event.id for event in taken))


async def sources_of(means: Resources) -> BindingsAnswer:
    """The sources in force. Raises UnavailableError while consent's word is not known."""
    try:
        return await means.sources.current()
    except ConsentUnavailableError:
        raise UnavailableError from None


async def _refused(means: Resources, actor: Actor, wrong: Violation, subject: UUID | None) -> ForbiddenError:
    """The one answer, once the refusal is on the record. What was wrong is not for the caller."""

    async def recorded(session: WriteSession) -> None:
        await ingestion_commands.refuse(session, actor, EventRefused(subject, wrong), await clock(session))

    await means.committed(recorded)
    return ForbiddenError()


def _said_by(binding: Binding, one: CaseEvent, correlation: str) -> CaseEvent:
    event = replace(
        one.event,
        correlationid=one.event.correlationid or correlation,
        extensions={**one.event.extensions, case_events.SOURCE_SYSTEM: binding.code},
    )
    return replace(one, event=event, system=binding.code)


async def _documents(request: Request) -> tuple[list[Any], list[str]]:
    """The events of a request as JSON values, and the prefix that names each in an error."""
    try:
        content = strict_json(await request.body())
    except JsonError as error:
        raise InvalidError("body", str(error)) from None
    if is_media_type(request.headers["content-type"], SINGLE):
        return [content], [""]
    if not isinstance(content, list) or not 1 <= len(content) <= BATCH_MAX:
        raise InvalidError("body", f"must be a list of 1 to {BATCH_MAX} events")
    return content, [f"{place}." for place in range(len(content))]
