"""Audit entries of the withdrawal of a consent."""

from collections.abc import Mapping

from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import ConsentChange
from services.consent.commands.audit import _event, entry_of
from services.consent.consents.audit import scope_of
from services.consent.consents.consent import Consent
from services.consent.drains.store import Outcome, Part, Withdrawal
from services.consent.http.audit import PRODUCER, Actor
from services.consent.model.scope import ScopeKey


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
