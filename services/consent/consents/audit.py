"""Audit entries and bus messages of a consent's events."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID, uuid4

from libs.common.bus.cloudevents import CloudEvent
from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import CONSENT_EVENTS, AuditEntry, ConsentChange, ConsentEventData
from services.consent.consents.consent import Consent
from services.consent.consents.events import (
    ConsentClosed,
    ConsentDeclared,
    ConsentDeclined,
    ConsentExpired,
    ConsentGranted,
    CustodyChanged,
    Event,
)
from services.consent.http.audit import PRODUCER, SOURCE, Actor, of_read
from services.consent.model.scope import ScopeKey


def scope_of(consent: Consent) -> ScopeKey:
    """The scope that a consent is in."""
    return ScopeKey(consent.borger_id, consent.purpose, consent.recipient_unit)


def of_events(
    events: Iterable[Event],
    actor: Actor,
    *,
    at: datetime,
    epochs: Mapping[ScopeKey, int],
    receipt_id: UUID | None = None,
) -> list[Message]:
    """Everything that these facts are worth telling, in order. `epochs`: of the scopes that they changed."""
    messages: list[Message] = []
    for event in events:
        if isinstance(event, CustodyChanged):
            messages.append(of_read("custody.changed", actor, subject=event.child, at=at, action="U"))
            continue
        messages.append(_entry(event, actor, at, receipt_id=receipt_id))
        change = _CHANGES.get(type(event))
        if change is not None:
            messages.append(_change(change, event.consent, actor, at, epoch=epochs[scope_of(event.consent)]))
    return messages


_CHANGES: dict[type, ConsentChange] = {
    ConsentGranted: "samtykke.afgivet",
    ConsentDeclined: "samtykke.afvist",
    ConsentClosed: "samtykke.lukket",
    ConsentExpired: "samtykke.udloebet",
}


_ENTRY_TYPES: dict[type, str] = {
    ConsentGranted: "consent.granted",
    ConsentDeclared: "consent.declared",
    ConsentDeclined: "consent.declined",
    ConsentClosed: "consent.closed",
    ConsentExpired: "consent.expired",
}


def _change(change: ConsentChange, consent: Consent, actor: Actor, at: datetime, *, epoch: int) -> Message:
    data = ConsentEventData(
        purpose=consent.purpose, recipient_unit=consent.recipient_unit, consent_id=consent.consent_id, epoch=epoch
    )
    event = CloudEvent(
        id=str(uuid4()),
        source=SOURCE,
        type=change,
        time=at,
        data=data.model_dump_json().encode(),
        subject=str(consent.borger_id),
        correlationid=actor.correlation_id,
        partitionkey=str(consent.borger_id),
    )
    return Message(CONSENT_EVENTS, str(consent.borger_id), event)


def of_notice(consent: Consent, actor: Actor, *, at: datetime) -> Message:
    """`samtykke.snart_udloeber`: about to expire. Nothing has changed, so there is no new epoch: 0."""
    return _change("samtykke.snart_udloeber", consent, actor, at, epoch=0)


def _entry(
    event: ConsentGranted | ConsentDeclared | ConsentDeclined | ConsentClosed | ConsentExpired,
    actor: Actor,
    at: datetime,
    *,
    receipt_id: UUID | None,
) -> Message:
    consent = event.consent
    objects = {"consent_id": str(consent.consent_id), "holder_unit": consent.holder_unit}
    if consent.request_id is not None:
        objects["request_id"] = str(consent.request_id)
    if receipt_id is not None and isinstance(event, ConsentGranted | ConsentDeclared | ConsentDeclined):
        objects["receipt_id"] = str(receipt_id)
    if actor.giver is not None and actor.giver != consent.borger_id:
        objects["giver"] = str(actor.giver)
    return audit_message(
        PRODUCER,
        AuditEntry(
            id=uuid4(),
            type=_ENTRY_TYPES[type(event)],
            action="C" if isinstance(event, ConsentGranted | ConsentDeclared) else "U",
            outcome="success",
            occurred_at=at,
            subject=consent.borger_id,
            actor=actor.name,
            actor_role=actor.role,
            unit=consent.recipient_unit,
            purposes=(consent.purpose,),
            legal_basis=consent.legal_basis,
            notice_sha256=consent.text_sha256,
            objects=objects,
            reason=None if consent.closed_reason is None else str(consent.closed_reason),
            correlation_id=actor.correlation_id,
            retention_class="consent_evidence",
        ),
    )
