"""What a request says to the audit trail: codes and pseudonyms only. What becomes of its items, `records` says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import AuditEntry
from services.consent.http.audit import PRODUCER, Actor, of_read
from services.consent.requests.request import Request

Done = Literal["recorded", "reminded", "cancelled", "lapsed"]


def of_request(done: Done, request: Request, actor: Actor, *, at: datetime) -> Message:
    """`consent_request.recorded`, `.reminded`, `.cancelled`, `.lapsed`, with the unit that acted (R37)."""
    return audit_message(
        PRODUCER,
        AuditEntry(
            id=uuid4(),
            type=f"consent_request.{done}",
            action="C" if done == "recorded" else "U",
            outcome="success",
            occurred_at=at,
            subject=request.borger_id,
            actor=actor.name,
            actor_role=actor.role,
            unit=request.unit,
            purposes=(request.purpose,),
            notice_sha256=request.text_sha256,
            objects=_objects(request),
            correlation_id=actor.correlation_id,
            retention_class="consent_evidence",
        ),
    )


def of_refused(actor: Actor, *, subject: UUID | None, at: datetime) -> Message:
    """Somebody asked about a citizen whom their unit has no open case about, or who is not known (R15, R20)."""
    return of_read("consent_request.refused", actor, subject=subject, at=at, action="C", outcome="refused")


def of_look(request: Request, actor: Actor, *, at: datetime) -> Message:
    """The unit looked at the state of one of its requests."""
    objects = {"request_id": str(request.request_id)}
    return of_read("consent_request.read", actor, subject=request.borger_id, at=at, objects=objects)


def _objects(request: Request) -> Mapping[str, str]:
    case = {} if request.case_reference is None else {"case_reference": request.case_reference}
    return {"request_id": str(request.request_id), **case}
