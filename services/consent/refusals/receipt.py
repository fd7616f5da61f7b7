"""The receipt of a refusal, and its audit entries."""

from collections.abc import Mapping
from uuid import UUID

from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import AuditEntry
from services.consent.catalogue.entries import Catalogue
from services.consent.commands.audit import _event, entry_of
from services.consent.decision.snapshot import Refusal
from services.consent.drains.store import Withdrawal
from services.consent.http.audit import PRODUCER, Actor
from services.consent.http.signing import Signer
from services.consent.model.scope import ScopeKey
from services.consent.receipts.issue import issue
from services.consent.receipts.receipt import About, ReceiptAct, ReceiptWords, optional_stamp, stamp
from services.consent.receipts.store import StoredReceipt


def about_refusal(borger_id: UUID, refusal: Refusal, words: ReceiptWords) -> About:
    """A refusal, standing or lifted (R50). Where it is a no to every purpose or every recipient, that says `null`."""
    told = {
        "purpose": None if refusal.purpose is None else words.purpose(refusal.purpose),
        "recipient": None if refusal.recipient_unit is None else words.unit(refusal.recipient_unit),
        "validity": {"from": stamp(refusal.recorded_at), "until": optional_stamp(refusal.lifted_at)},
    }
    identity = {"refusal_id": str(refusal.refusal_id)}
    codes = {"purpose": refusal.purpose, "recipient_unit": refusal.recipient_unit, "validity": told["validity"]}
    return About(
        kind="refusal",
        object_id=refusal.refusal_id,
        identity=identity,
        record={**identity, "borger_id": str(borger_id), **codes},
        says=told,
        path=f"/v1/citizens/{borger_id}/refusals/{refusal.refusal_id}:lift" if refusal.lifted_at is None else None,
    )


async def issue_for_refusal(
    session: WriteSession,
    signer: Signer,
    refusal: Refusal,
    *,
    borger_id: UUID,
    act: ReceiptAct,
    receipt_id: UUID | None = None,
    catalogue: Catalogue | None = None,
) -> StoredReceipt:
    """The receipt about a refusal or its lifting."""
    return await issue(
        session,
        signer,
        subject=borger_id,
        act=act,
        about=lambda words: about_refusal(borger_id, refusal, words),
        receipt_id=receipt_id,
        catalogue=catalogue,
    )


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
