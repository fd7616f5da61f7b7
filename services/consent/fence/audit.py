"""What the fence says to the audit trail: one entry per act and person, identifiers and codes only (P10, R20)."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import AuditEntry
from services.consent.fence.permits_store import Ended

if TYPE_CHECKING:
    from libs.common.wire.permits import PermitItem
    from services.consent.fence.permits import NotPermitted, Permitted
    from services.consent.fence.permitting import PermitPart

PRODUCER = "consent"
_STAFF_KINDS = frozenset({"inbox", "stream", "digest", "mail"})  # the others are asked for by a system


def of_acquire(opened: Iterable["Permitted"], refused: Iterable["NotPermitted"], now: datetime) -> list[Message]:
    """`disclosure.permitted` per revealed person, `disclosure.refused` with its reason, which is told nobody else."""
    entries = [
        _disclosure(yes.item, now, subject=part.borger_id, part=part) for yes in opened for part in yes.judgement.parts
    ]
    entries += [_disclosure(no.item, now, subject=no.person, reason=no.reason) for no in refused]
    return [audit_message(PRODUCER, entry) for entry in entries]


def _disclosure(
    item: "PermitItem", now: datetime, *, subject: UUID, part: "PermitPart | None" = None, reason: str | None = None
) -> AuditEntry:
    objects = {
        "permit_id": str(item.permit_id),
        "notification_id": str(item.notification_id),
        "event_type": item.event_type,
        "kind": item.kind,
        "holder_unit": item.holder_unit,
        "recipient_unit": item.recipient_unit,
    }
    if part is not None:
        objects["category"] = ",".join(part.categories)
        objects |= {"consent_id": ",".join(map(str, part.consents))} if part.consents else {}
    return AuditEntry(
        id=uuid4(),
        type="disclosure.permitted" if reason is None else "disclosure.refused",
        action="R",
        outcome="success" if reason is None else "refused",
        occurred_at=now,
        subject=subject,
        actor=item.actor,
        actor_role="caseworker" if item.kind in _STAFF_KINDS else "recipient_system",
        unit=item.recipient_unit,
        purposes=(item.purpose,),
        legal_basis=part.legal_basis if part else None,
        objects=objects,
        reason=reason,
        correlation_id=item.correlation_id,
    )


def of_death(ended: Iterable[Ended], holder_id: UUID, now: datetime) -> list[Message]:
    """`disclosure.unknown`: the holder died with the permit open, so what it was for may have been shown."""
    return [
        audit_message(
            PRODUCER,
            AuditEntry(
                id=uuid4(),
                type="disclosure.unknown",
                action="R",
                outcome="failure",
                occurred_at=now,
                subject=part.use.borger_id,
                actor=part.use.actor,
                actor_role="caseworker" if part.use.kind in _STAFF_KINDS else "recipient_system",
                objects={
                    "permit_id": str(part.permit_id),
                    "notification_id": str(part.use.notification_id),
                    "kind": part.use.kind,
                    "holder_id": str(holder_id),
                },
                reason="holder_dead",
            ),
        )
        for part in ended
    ]


def of_holder(
    event: str, holder_id: UUID, now: datetime, *, slot: str, actor: str, actor_role: str, reason: str | None = None
) -> Message:
    """`holder.registered`, `holder.fence_ordered`, `holder.dead`: about no citizen."""
    return audit_message(
        PRODUCER,
        AuditEntry(
            id=uuid4(),
            type=f"holder.{event}",
            action="C" if event == "registered" else "U",
            outcome="success",
            occurred_at=now,
            actor=actor,
            actor_role=actor_role,
            objects={"holder_id": str(holder_id), "slot": slot},
            reason=reason,
            retention_class="operations",
        ),
    )
