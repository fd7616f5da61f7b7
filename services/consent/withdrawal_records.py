"""What withdrawals and refusals say to the bus and to the audit trail: codes and pseudonyms only (P10)."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from libs.common.cloudevents import CloudEvent
from libs.common.messages import CONSENT_EVENTS, AuditEntry, ConsentChange, ConsentEventData
from libs.common.outbox import Message, audit_message
from services.consent.domain.consent import Consent
from services.consent.domain.fence import ScopeKey
from services.consent.domain.snapshot import Refusal
from services.consent.records import PRODUCER, SOURCE, Actor, scope_of
from services.consent.store_receipts import StoredReceipt
from services.consent.store_withdrawals import Outcome, Part, Withdrawal


def of_consent(
    consent: Consent, part: Part, withdrawal: Withdrawal, actor: Actor, *, epochs: Mapping[ScopeKey, int]
) -> list[Message]:
    """`consent.withdrawn` or `consent.declined` in the trail, and on the bus what makes readers ask again.

    What had ended before is `consent.already_ended` in the trail, and nothing on the bus: nothing has changed.
    """
    key = scope_of(consent)
    objects = {
        "consent_id": str(consent.consent_id),
        "holder_unit": consent.holder_unit,
        "withdrawal_id": str(withdrawal.withdrawal_id),
        **({} if part.receipt_id is None else {"receipt_id": str(part.receipt_id)}),
    }
    kind, change = _OF_OUTCOME[part.outcome]
    entry = entry_of(kind, key.borger_id, actor, at=withdrawal.registered_at, objects=objects).model_copy(
        update={
            "unit": key.recipient_unit,
            "purposes": (key.purpose,),
            "legal_basis": consent.legal_basis,
            "notice_sha256": consent.text_sha256,
        }
    )
    if change is None:
        return [audit_message(PRODUCER, entry)]
    ended = [key, *(other for other in epochs if other != key)]  # a mapping ties others to it (R36)
    events = [
        _event(change, other, withdrawal, actor, epoch=epochs[other], consent_id=consent.consent_id) for other in ended
    ]
    return [audit_message(PRODUCER, entry), *events]


_OF_OUTCOME: dict[Outcome, tuple[str, ConsentChange | None]] = {
    "withdrawn": ("consent.withdrawn", "samtykke.tilbagekaldt"),
    "declined": ("consent.declined", "samtykke.afvist"),
    "already_ended": ("consent.already_ended", None),
    "replaced": ("consent.already_ended", None),
}


def of_refusal(refusal: Refusal, withdrawal: Withdrawal, actor: Actor, epochs: Mapping[ScopeKey, int]) -> list[Message]:
    """`refusal.recorded` in the trail; on the bus `samtykke.afvist` for each scope that it ends something in."""
    objects = {"refusal_id": str(refusal.refusal_id), **_proof(withdrawal)}
    entry = entry_of("refusal.recorded", withdrawal.borger_id, actor, at=withdrawal.registered_at, objects=objects)
    events = [_event("samtykke.afvist", key, withdrawal, actor, epoch=epoch) for key, epoch in sorted(epochs.items())]
    return [audit_message(PRODUCER, _of_extent(entry, refusal)), *events]


def of_lifting(borger_id: UUID, refusal: Refusal, actor: Actor, *, receipt: StoredReceipt) -> Message:
    """`refusal.lifted` in the trail. The bus is not told: there is nothing open to be asked about again."""
    objects = {"refusal_id": str(refusal.refusal_id), "receipt_id": str(receipt.receipt_id)}
    entry = entry_of("refusal.lifted", borger_id, actor, at=receipt.issued_at, objects=objects)
    return audit_message(PRODUCER, _of_extent(entry, refusal))


def _of_extent(entry: AuditEntry, refusal: Refusal) -> AuditEntry:
    """What a refusal names; a wide one names less."""
    purposes = () if refusal.purpose is None else (refusal.purpose,)
    return entry.model_copy(update={"unit": refusal.recipient_unit, "purposes": purposes})


def _proof(withdrawal: Withdrawal) -> dict[str, str]:
    return {"withdrawal_id": str(withdrawal.withdrawal_id), "receipt_id": str(withdrawal.receipt_id)}


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
