"""The bus's door: `case.events` to one handler each, by type. What concerns only others is passed over.

Consent consumes the whole topic although most of it is not for it, because its position is what `arrivals` compares
with: an event whose custody or closed case we have not read yet is *not yet* answered (`docs/fence.md` §2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from libs.common.bus import Delivery, PoisonRecordError
from libs.common.cloudevents import CloudEvent, from_delivery, is_ahead
from libs.common.database import WriteSession
from libs.common.inbox import first_seen
from libs.common.messages import CaseEventData
from services.consent.handlers_lifecycle import HANDLERS, Fact
from services.consent.receipts import Signer

GROUP = "consent"


@dataclass(frozen=True, slots=True)
class _Heard:
    event: CloudEvent
    fact: Fact


class LifecycleHandler:
    """Applies life-cycle events, each once per (source, id), in the transaction that moves the position.

    `signer`: what ends by a fact has a receipt as what ends by a word has.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def prepare(self, deliveries: Sequence[Delivery]) -> list[_Heard]:
        """The events that concern us. Raises PoisonRecordError for one that cannot be read."""
        read = [(from_delivery(delivery), delivery.timestamp) for delivery in deliveries]
        return [_Heard(event, _fact(event, at)) for event, at in read if event.type in HANDLERS]

    async def handle(self, session: WriteSession, _deliveries: Sequence[Delivery], prepared: list[_Heard]) -> None:
        """Apply them, in order."""
        for heard in prepared:
            if await first_seen(session, heard.event.source, heard.event.id):
                await HANDLERS[heard.event.type](session, self._signer, heard.fact)


def _fact(event: CloudEvent, written_at: datetime) -> Fact:
    if is_ahead(event, written_at):
        raise PoisonRecordError("ahead_of_time")
    try:
        data = CaseEventData.model_validate_json(event.data)
        subject = UUID(event.subject or "")
    except (ValidationError, ValueError) as error:
        raise PoisonRecordError("not_a_case_event") from error
    fact = Fact(
        type=event.type,
        borger_id=subject,
        at=event.time,
        unit=data.unit,
        case_reference=data.case_reference,
        custody_holders=data.custody_holders,
        correlation_id=event.correlationid,
    )
    missing = fact.missing
    if missing is not None:
        raise PoisonRecordError(f"no_{missing}")
    return fact
