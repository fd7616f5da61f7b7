"""Facts told to the audit service: one table from the kind of a fact to the shape of its entry (R20).

An entry names pseudonyms, codes and identifiers only. Who did it is the caller's word: an employee, a client, or
advis itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from uuid import UUID, uuid4

from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import AuditEntry, seconds
from services.advis.model import events as model_events
from services.advis.model.reach import Reach

PRODUCER = "advis"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an employee id, a client id or `advis`, and in which role."""

    name: str
    role: str


ADVIS = Actor("advis", "service")

Action = Literal["C", "R", "U", "D", "E"]
Outcome = Literal["success", "refused", "failure"]
_SHAPES: Mapping[type[model_events.Fact], tuple[str, Action]] = MappingProxyType(
    {
        model_events.EventIngested: ("event.ingested", "C"),
        model_events.EventRefused: ("event.refused", "C"),
        model_events.EventReceived: ("event.received", "R"),
        model_events.NotificationCreated: ("notification.created", "C"),
        model_events.NotificationCancelled: ("notification.cancelled", "U"),
        model_events.NotificationHandled: ("notification.handled", "U"),
    }
)
_DISCLOSURES: Mapping[str, tuple[str, Outcome]] = MappingProxyType(
    {
        Reach.DISCLOSED: ("disclosure.made", "success"),
        Reach.NOT_SENT: ("disclosure.not_sent", "failure"),
        Reach.UNKNOWN: ("disclosure.unknown", "failure"),
    }
)
_OBJECTS = ("event_id", "event_type", "notification_id", "permit_id")


def tell(
    fact: model_events.Fact,
    actor: Actor,
    at: datetime,
    *,
    correlation_id: str | None = None,
    entry_id: UUID | None = None,
) -> Message:
    """The fact as an outbox message. `entry_id` is drawn at random unless a row already holds it."""
    return audit_message(PRODUCER, _entry(fact, actor, at, correlation_id, entry_id=entry_id or uuid4()))


def _entry(
    fact: model_events.Fact, actor: Actor, at: datetime, correlation_id: str | None, *, entry_id: UUID
) -> AuditEntry:
    kind, action, outcome = _shape(fact)
    purpose = getattr(fact, "purpose", None)
    return AuditEntry(
        id=entry_id,
        type=kind,
        action=action,
        outcome=outcome,
        occurred_at=at,
        subject=getattr(fact, "subject", None),
        actor=actor.name,
        actor_role=actor.role,
        unit=fact.unit,
        purposes=() if purpose is None else (purpose,),
        objects=_objects(fact),
        reason=getattr(fact, "reason", None),
        correlation_id=correlation_id,
    )


def _shape(fact: model_events.Fact) -> tuple[str, Action, Outcome]:
    if isinstance(fact, model_events.DisclosureEnded):
        kind, outcome = _DISCLOSURES[fact.reach]
        return kind, "R", outcome
    if isinstance(fact, model_events.InboxRead):
        return f"inbox.{fact.kind}", "R", "success" if fact.found else "refused"
    kind, action = _SHAPES[type(fact)]
    return kind, action, "refused" if isinstance(fact, model_events.EventRefused) else "success"


def _objects(fact: model_events.Fact) -> dict[str, str]:
    if isinstance(fact, model_events.InboxRead):
        return dict(fact.criterion)
    return {name: str(getattr(fact, name)) for name in _OBJECTS if hasattr(fact, name)}


def repeated(
    read: model_events.InboxRead, actor: Actor, *, count: int, first_at: datetime, last_at: datetime
) -> Message:
    """One entry for `count` look-ups that were the same and found nothing, the first and the last at these moments."""
    span = (("repeated", str(count)), ("first_at", seconds(first_at)), ("last_at", seconds(last_at)))
    return tell(replace(read, criterion=(*read.criterion, *span)), actor, last_at)
