"""The public shapes of ingestion."""

from typing import Literal

from pydantic import Field

from libs.common.wire.sources import FATES_MAX, EventNamed
from services.advis.model.shapes import _Shape


class Accepted(_Shape):
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
