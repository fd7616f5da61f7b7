"""What authorities say to the audit trail: one entry about the citizen and one about who represents them (R20)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from libs.common.outbox.outbox import Message
from services.consent.citizens.authority import Authority
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor

Step = Literal["proposed", "confirmed", "rejected", "ended"]


def of_step(step: Step, authority: Authority, actor: Actor, at: datetime) -> list[Message]:
    """`authority.proposed`, `.confirmed`, `.rejected`, `.ended`."""
    objects = {"authority_id": str(authority.authority_id)}
    return [
        http_audit.of_read(
            f"authority.{step}",
            actor,
            subject=person,
            at=at,
            action="C" if step == "proposed" else "U",
            objects=objects,
        )
        for person in (authority.borger_id, authority.representative)
    ]


def of_ends(ended: Iterable[Authority], actor: Actor, at: datetime) -> list[Message]:
    """`authority.ended` for each."""
    return [message for authority in ended for message in of_step("ended", authority, actor, at)]
