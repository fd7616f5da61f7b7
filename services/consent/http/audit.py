"""What consent says to the bus and to the audit trail, translated from the domain's facts: codes and pseudonyms only.

One entry per act and person (R20). A citizen appears as `citizen`, never by name or number; whose act it was on a
child's behalf stands in `objects.giver`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import AuditEntry

PRODUCER = "consent"
SOURCE = "urn:samtykkebro:consent"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `name` is `citizen`, an employee id, a client id or this service; `giver` the citizen's own id."""

    name: str
    role: str
    correlation_id: str | None = None
    giver: UUID | None = None
    unit: str | None = None


SERVICE = Actor(name=PRODUCER, role="service")


def of_listed(kind: str, actor: Actor, persons: Iterable[UUID], *, at: datetime) -> list[Message]:
    """A page about several people: one entry for each of them; one about nobody where the page is empty (R20)."""
    about: list[UUID | None] = [*sorted(set(persons))] or [None]
    return [of_read(kind, actor, subject=person, at=at) for person in about]


def of_read(
    kind: str,
    actor: Actor,
    *,
    subject: UUID | None,
    at: datetime,
    action: Literal["C", "R", "U"] = "R",
    objects: Mapping[str, str] | None = None,
    outcome: Literal["success", "refused"] = "success",
) -> Message:
    """A look-up, or another act that is about a person but not about one consent (R20)."""
    given_for = {} if actor.giver in {None, subject} else {"giver": str(actor.giver)}
    return audit_message(
        PRODUCER,
        AuditEntry(
            id=uuid4(),
            type=kind,
            action=action,
            outcome=outcome,
            occurred_at=at,
            subject=subject,
            actor=actor.name,
            actor_role=actor.role,
            unit=actor.unit,
            objects={**(objects or {}), **given_for},
            correlation_id=actor.correlation_id,
        ),
    )
