"""What a withdrawal and a refusal say to the bus and to the audit trail: codes and pseudonyms only (P10)."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from libs.common.cloudevents import CloudEvent
from libs.common.messages import CONSENT_EVENTS, AuditEntry, ConsentChange, ConsentEventData
from libs.common.outbox import Message, audit_message
from services.consent.domain.consent import Consent
from services.consent.domain.fence import ScopeKey
from services.consent.records import PRODUCER, SOURCE, Actor, scope_of
from services.consent.store_receipts import StoredReceipt
from services.consent.store_withdrawals import Withdrawal


def of_withdrawal(
    consent: Consent, withdrawal: Withdrawal, actor: Actor, epochs: Mapping[ScopeKey, int]
) -> list[Message]:
    """`consent.withdrawn` in the trail; on the bus `samtykke.tilbagekaldt`, which makes readers ask again."""
    key = scope_of(consent)
    data = ConsentEventData(
        purpose=key.purpose, recipient_unit=key.recipient_unit, consent_id=consent.consent_id, epoch=epochs[key]
    )
    objects = {"consent_id": str(consent.consent_id), "holder_unit": consent.holder_unit, **_proof(withdrawal)}
    entry = _entry("consent.withdrawn", key, actor, at=withdrawal.registered_at, objects=objects).model_copy(
        update={"legal_basis": consent.legal_basis, "notice_sha256": consent.text_sha256}
    )
    ended = [key, *(other for other in sorted(epochs) if other != key)]  # a mapping ties others to it (R36)
    told = [data.model_copy(update={"recipient_unit": other.recipient_unit, "epoch": epochs[other]}) for other in ended]
    events = [_event("samtykke.tilbagekaldt", key, one, withdrawal=withdrawal, actor=actor) for one in told]
    return [audit_message(PRODUCER, entry), *events]


def of_refusal(key: ScopeKey, withdrawal: Withdrawal, actor: Actor, epoch: int) -> list[Message]:
    """`refusal.recorded` in the trail; on the bus `samtykke.afvist`, without a consent."""
    data = ConsentEventData(purpose=key.purpose, recipient_unit=key.recipient_unit, epoch=epoch)
    objects = {"refusal_id": str(withdrawal.object_id), **_proof(withdrawal)}
    entry = _entry("refusal.recorded", key, actor, at=withdrawal.registered_at, objects=objects)
    return [audit_message(PRODUCER, entry), _event("samtykke.afvist", key, data, withdrawal=withdrawal, actor=actor)]


def of_lifting(key: ScopeKey, refusal_id: UUID, actor: Actor, *, receipt: StoredReceipt) -> Message:
    """`refusal.lifted` in the trail. The bus is not told: there is nothing open to be asked about again."""
    objects = {"refusal_id": str(refusal_id), "receipt_id": str(receipt.receipt_id)}
    return audit_message(PRODUCER, _entry("refusal.lifted", key, actor, at=receipt.issued_at, objects=objects))


def _proof(withdrawal: Withdrawal) -> dict[str, str]:
    return {"withdrawal_id": str(withdrawal.withdrawal_id), "receipt_id": str(withdrawal.receipt_id)}


def _entry(kind: str, key: ScopeKey, actor: Actor, *, at: datetime, objects: Mapping[str, str]) -> AuditEntry:
    given_for = {} if actor.giver in {None, key.borger_id} else {"giver": str(actor.giver)}
    return AuditEntry(
        id=uuid4(),
        type=kind,
        action="U",
        outcome="success",
        occurred_at=at,
        subject=key.borger_id,
        actor=actor.name,
        actor_role=actor.role,
        unit=key.recipient_unit,
        purposes=(key.purpose,),
        objects={**objects, **given_for},
        correlation_id=actor.correlation_id,
        retention_class="consent_evidence",
    )


def _event(
    change: ConsentChange, key: ScopeKey, data: ConsentEventData, *, withdrawal: Withdrawal, actor: Actor
) -> Message:
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
