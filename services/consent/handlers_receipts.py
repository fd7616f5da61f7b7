"""Issues receipts in the transaction of the act that they prove (P5). Call it last: its lock comes after all others."""

from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession
from services.consent import store_receipts
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.consent import Consent
from services.consent.domain.receipt import Act, Link, consent_payload, record, refusal_payload
from services.consent.domain.snapshot import Refusal
from services.consent.receipts import Signer, canonical, fingerprint
from services.consent.store_receipts import StoredReceipt


async def issue_for_consent(
    session: WriteSession, signer: Signer, consent: Consent, *, act: Act, receipt_id: UUID, catalogue: Catalogue
) -> StoredReceipt:
    """The next receipt of the citizen's chain, about a consent at the revision given, stored and signed."""
    link = await _link(session, signer, consent.borger_id, receipt_id=receipt_id, issued_at=act.at)
    payload = consent_payload(
        consent, act, link=link, record_sha256=fingerprint(canonical(record(consent))), catalogue=catalogue
    )
    jws = signer.receipt(payload)
    return await _store(session, link, act, borger_id=consent.borger_id, consent_id=consent.consent_id, jws=jws)


async def issue_for_refusal(
    session: WriteSession,
    signer: Signer,
    refusal: Refusal,
    *,
    borger_id: UUID,
    act: Act,
    receipt_id: UUID,
    catalogue: Catalogue,
) -> StoredReceipt:
    """The next receipt of the citizen's chain, about a refusal or its lifting, stored and signed."""
    link = await _link(session, signer, borger_id, receipt_id=receipt_id, issued_at=act.at)
    jws = signer.receipt(refusal_payload(borger_id, refusal, act, link=link, catalogue=catalogue))
    return await _store(session, link, act, borger_id=borger_id, consent_id=None, jws=jws)


async def _link(
    session: WriteSession, signer: Signer, borger_id: UUID, *, receipt_id: UUID, issued_at: datetime
) -> Link:
    await store_receipts.lock_chain(session, borger_id)
    last = await store_receipts.last(session, borger_id)
    return Link(
        receipt_id=receipt_id,
        sequence=1 if last is None else last.sequence + 1,
        previous_sha256=None if last is None else fingerprint(last.jws.encode()),
        issued_at=issued_at,
        issuer=signer.issuer,
    )


async def _store(
    session: WriteSession, link: Link, act: Act, *, borger_id: UUID, consent_id: UUID | None, jws: str
) -> StoredReceipt:
    stored = StoredReceipt(
        receipt_id=link.receipt_id,
        borger_id=borger_id,
        sequence=link.sequence,
        previous_sha256=link.previous_sha256,
        event=str(act.event),
        consent_id=consent_id,
        issued_at=link.issued_at,
        jws=jws,
    )
    await store_receipts.add(session, stored)
    return stored
