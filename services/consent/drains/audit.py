"""The audit entry of a drain."""

from datetime import datetime
from uuid import uuid4

from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import AuditEntry
from services.consent.drains.store import Withdrawal
from services.consent.fence.audit import PRODUCER


def of_drain(withdrawal: Withdrawal, drained_at: datetime) -> Message:
    """`withdrawal.drained`: from this moment nothing older than the act can be disclosed."""
    return audit_message(
        PRODUCER,
        AuditEntry(
            id=uuid4(),
            type="withdrawal.drained",
            action="U",
            outcome="success",
            occurred_at=drained_at,
            subject=withdrawal.borger_id,
            actor=PRODUCER,
            actor_role="service",
            objects={
                "withdrawal_id": str(withdrawal.withdrawal_id),
                withdrawal.act.object_name: str(withdrawal.object_id),
            },
            retention_class="consent_evidence",
        ),
    )
