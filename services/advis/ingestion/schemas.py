"""The public shapes of ingestion."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from libs.common.wire.identifiers import CorrelationId, EventId, EventSource, EventType, Uuid
from libs.common.wire.messages import CaseEventData
from libs.common.wire.sources import FATES_MAX, EventNamed
from libs.common.wire.values import Moment
from services.advis.model.shapes import _Shape

BATCH_MAX = 100  # events in one request


class EventData(CaseEventData):
    """What a case event says. A field that is not named here is refused."""

    model_config = ConfigDict(extra="forbid")


class CaseEventDocument(_Shape):
    """A case event as a CloudEvents 1.0 JSON document. `libs.common.bus.case_events` reads it."""

    specversion: Literal["1.0"]
    id: EventId
    source: EventSource
    type: EventType = Field(description="a code of an event type in the catalogue")
    subject: Uuid = Field(description="the borger_id of the citizen the case is about")
    time: Moment = Field(description="when it happened, at most five minutes ahead of our clock")
    datacontenttype: Literal["application/json"] | None = None
    dataschema: str | None = Field(default=None, max_length=1024)
    correlationid: CorrelationId | None = Field(default=None, description="follows the event through all services")
    partitionkey: str | None = Field(default=None, max_length=1024, description="replaced by the subject")
    corrects: EventId | None = Field(
        default=None, description="the id of the earlier event of this source that this event corrects"
    )
    data: EventData


EventBatch = Annotated[tuple[CaseEventDocument, ...], Field(min_length=1, max_length=BATCH_MAX)]


class AcceptedEvents(_Shape):
    """The event ids that are on their way to the bus, in the order given; the same again for a repeated request."""

    accepted: tuple[str, ...]


class EventFate(_Shape):
    """What became of an event of the caller's own. `reason` is a code (docs/sources.md), with `parked` only."""

    source: str
    event_id: str
    fate: Literal["accepted", "parked", "unknown"]
    reason: str | None = None


class FatesRequest(_Shape):
    """Up to 100 events of the caller's own."""

    events: tuple[EventNamed, ...] = Field(min_length=1, max_length=FATES_MAX)


class EventFates(_Shape):
    """One answer for each, in the order asked."""

    events: tuple[EventFate, ...]
