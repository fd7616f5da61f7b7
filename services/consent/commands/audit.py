"""What withdrawals and refusals say to the bus and to the audit trail: codes and pseudonyms only (P10)."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from libs.common.bus.cloudevents import CloudEvent
from libs.common.outbox.outbox import Message
from libs.common.wire.messages import CONSENT_EVENTS, AuditEntry, ConsentChange, ConsentEventData
from services.consent.drains.store import Withdrawal
from services.consent.http.audit import SOURCE, Actor
from services.consent.model.scope import ScopeKey


def entry_of(kind: str, subject: UUID, actor: Actor, *, at: datetime, objects: Mapping[str, str]) -> AuditEntry:
    """An act about somebody's consents that is kept as evidence. A `receipt_id` and the like stand in `objects`."""
    given_for = {} if actor.giver in {None, subject} else {"giver": str(actor.giver)}
    return AuditEntry(
        id=uuid4(),
        type=kind,
        action="U",
        outcome="success",
        occurred_at=at,
        subject=subject,
        actor=actor.name,
        actor_role=actor.role,
        unit=actor.unit,
        objects={**objects, **given_for},
        correlation_id=actor.correlation_id,
        retention_class="consent_evidence",
    )


def _event(
    change: ConsentChange,
    key: ScopeKey,
    withdrawal: Withdrawal,
    actor: Actor,
    *,
    epoch: int,
    consent_id: UUID | None = None,
) -> Message:
    data = ConsentEventData(purpose=key.purpose, recipient_unit=key.recipient_unit, consent_id=consent_id, epoch=epoch)
    event = CloudEvent(
        id=str(uuid4()),
        source=SOURCE,
        type=change,
        time=withdrawal.registered_at,
        data=data.model_dump_json(exclude_none=True).encode(),
        subject=str(key.borger_id),
        correlationid=actor.correlation_id,
        partitionkey=str(key.borger_id),
    )
    return Message(CONSENT_EVENTS, str(key.borger_id), event)
