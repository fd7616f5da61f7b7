"""One example of every published message, by schema name; the golden files hold their JSON."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel

from libs.common.wire import messages, permits

GOLDEN = Path(__file__).parent / "golden"
PERSON = UUID("00000000-0000-4000-8000-000000000001")
CHILD = UUID("00000000-0000-4000-8000-000000000002")
OTHER = UUID("00000000-0000-4000-8000-000000000003")
WHEN = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def examples() -> dict[str, BaseModel]:
    revealed = (permits.Revealed(borger_id=CHILD, category="BARN_SAG", epoch=3),)
    return {
        "case-event-v1": messages.CaseEventData(unit="SOF-BCV", case_reference="SOF-26-2001", caseworker="sof101"),
        "consent-event-v1": messages.ConsentEventData(
            purpose="KOORDINERING", recipient_unit="BIF-KANTEN", consent_id=OTHER, epoch=7
        ),
        "audit-entry-v1": messages.AuditEntry(
            id=OTHER,
            type="disclosure.permitted",
            action="R",
            outcome="success",
            occurred_at=WHEN,
            subject=PERSON,
            actor="bif101",
            actor_role="caseworker",
            unit="BIF-JOBINDSATS",
            purposes=("KOORDINERING",),
            objects={"permit_id": str(OTHER)},
            correlation_id="c0ffee00",
        ),
        "arrivals-v1": permits.ArrivalsRequest(
            items=(
                permits.Arrival(
                    event_id="e1",
                    type="sof.boernesag.aabnet",
                    borger_id=CHILD,
                    holder_unit="SOF-BCH",
                    occurred_at=WHEN,
                    position=permits.Position(topic="case.events", partition=2, offset=41),
                ),
            )
        ),
        "permits-acquire-v1": permits.AcquireRequest(
            items=(
                permits.PermitItem(
                    permit_id=OTHER,
                    notification_id=PERSON,
                    kind="inbox",
                    actor="bif101",
                    event_type="sof.boernesag.aabnet",
                    holder_unit="SOF-BCH",
                    recipient_unit="BIF-JOBINDSATS",
                    purpose="FAMILIEINDSATS",
                    reveals=revealed,
                ),
            )
        ),
        "permits-settle-v1": permits.SettleRequest(items=(permits.SettleItem(permit_id=OTHER, outcome="disclosed"),)),
    }
