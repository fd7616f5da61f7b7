"""The ingestion door: case events from source systems that have no Kafka (system.md §6).

1. A request is accepted whole or not at all. 2. Repeating it changes nothing and answers the same; the same id with
other content is a conflict. 3. Only what the contract names goes on: an attribute or field that we do not know is
refused, since nobody could say that it holds no name and no number (P10).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, Request
from pydantic import ValidationError

from libs.common.auth import Principal, require
from libs.common.cloudevents import CloudEvent, from_document, is_ahead
from libs.common.database import clock
from libs.common.door import Router
from libs.common.headers import is_media_type
from libs.common.messages import CaseEventData
from libs.common.problems import ConflictError, FieldError, InvalidError, from_validation
from libs.common.values import EVENT_EARLIEST, JsonError, strict_json
from services.advis import handlers_events
from services.advis.domain.cases import require_complete, step_of
from services.advis.domain.errors import EventConflictError, IncompleteCaseError
from services.advis.entries import Actor
from services.advis.handlers_events import CaseEvent
from services.advis.resources import Resources, resources
from services.advis.schemas import Accepted

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BATCH_MAX = 100  # events in one request
DATA_SCHEMA = "urn:samtykkebro:schema:case-event-v1"

_KNOWN_ATTRIBUTES = frozenset(
    {
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"),
        *("correlationid", "partitionkey", "data"),
    }
)
_KNOWN_FIELDS = frozenset(CaseEventData.model_fields)
_FORMS = {
    "id": "must be a UUID, a ULID, or a reference with one to nine digits, such as domus-2026-00042",
    "source": "must be a URN, an http(s) URI or an absolute path that holds no personal number",
    "time": f"must be an RFC 3339 date-time with an offset, from {EVENT_EARLIEST.year} on",
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            SINGLE: {"schema": {"type": "object", "description": "CloudEvents 1.0, JSON format; data: CaseEventData"}},
            BATCH: {"schema": {"type": "array", "maxItems": BATCH_MAX, "items": {"type": "object"}}},
        },
    }
}

router = Router(prefix="/v1", tags=["case events"])


@router.post("/case-events", status_code=202, openapi_extra=_BODY, summary="Hand in case events")
async def ingest(
    request: Request,
    principal: Annotated[Principal, Depends(require("source_system"))],
    means: Annotated[Resources, Depends(resources)],
) -> Accepted:
    """Put one event, or a batch of at most 100, on the bus; each exactly once per (source, id)."""
    documents, named = await _documents(request)
    correlation = request.scope["state"]["correlation_id"]
    taken = [
        _case_event(document, prefix, means, correlation=correlation, now=datetime.now(UTC))
        for document, prefix in zip(documents, named, strict=True)
    ]
    actor = Actor(principal.client_id, "source_system")
    try:
        async with means.database.write() as session:
            await handlers_events.ingest(session, taken, actor, await clock(session))
    except EventConflictError:
        raise ConflictError("This source has used the same event id for another event.") from None
    means.bell.ring()
    return Accepted(accepted=tuple(event.event.id for event in taken))


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


def _case_event(document: Any, prefix: str, means: Resources, *, correlation: str, now: datetime) -> CaseEvent:
    """A checked event, rebuilt from what the contract names. Raises InvalidError naming the attribute or field."""
    try:
        event = from_document(document)
    except ValueError as error:
        name = str(error)
        known = name if name in _KNOWN_ATTRIBUTES else "attribute"
        raise InvalidError(prefix + known, _FORMS.get(name, "is not valid")) from None
    if event.extensions:
        raise InvalidError(f"{prefix}attribute", "is not known", known=sorted(_KNOWN_ATTRIBUTES))
    _check_envelope(event, prefix, means, now)
    subject = _subject(event.subject, prefix)
    data = _data(event, prefix)
    rebuilt = replace(
        event,
        data=data.model_dump_json(exclude_none=True).encode(),
        subject=str(subject),
        partitionkey=str(subject),
        dataschema=DATA_SCHEMA,
        correlationid=event.correlationid or correlation,
    )
    return CaseEvent(rebuilt, data, subject)


def _check_envelope(event: CloudEvent, prefix: str, means: Resources, now: datetime) -> None:
    if event.type not in means.reference.event_types:
        raise InvalidError(f"{prefix}type", "is not a known event type", known=sorted(means.reference.event_types))
    if is_ahead(event, now):
        raise InvalidError(f"{prefix}time", "must not lie in the future")


def _subject(subject: str | None, prefix: str) -> UUID:
    try:
        return UUID(subject or "")
    except ValueError:
        raise InvalidError(f"{prefix}subject", "must be a borger_id (UUID)") from None


def _data(event: CloudEvent, prefix: str) -> CaseEventData:
    try:
        content: Mapping[str, Any] = orjson.loads(event.data)
        data = CaseEventData.model_validate_json(event.data)
        if set(content) - _KNOWN_FIELDS:
            raise InvalidError(f"{prefix}data", "holds a field that is not known", known=sorted(_KNOWN_FIELDS))
        if step := step_of(event.type):
            require_complete(step, data.case_reference, data.caseworker)
    except ValidationError as error:
        problem = from_validation(error.errors())
        problem.errors = tuple(_within(field, prefix) for field in problem.errors)
        raise problem from None
    except IncompleteCaseError as error:
        raise InvalidError(prefix + str(error), "is required for this event type") from None
    return data


def _within(error: FieldError, prefix: str) -> FieldError:
    """The same error, named from the event's root."""
    field = "data" if error.field == "body" else f"data.{error.field}"
    return replace(error, field=prefix + field)
