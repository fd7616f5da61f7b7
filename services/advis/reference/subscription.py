"""Which unit wants to hear of which events."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscription:
    """A unit wants to hear of one event type for one purpose."""

    unit: str
    event_type: str
    purpose: str
