"""Issues receipts in the transaction of the act that they prove (P5). Call it last: its lock comes after all others.

A new kind of record needs one function from it to `About`, and a call of `issue`:

    await issue(session, signer, subject=borger_id, act=Act(ReceiptEvent.RESTRICTED, giver, changed.at),
                about=lambda words: about_restriction(borger_id, restriction, words))

Not in it is the head of the audit log: consent neither reads audit nor waits for it,
and a head that it has only heard of proves nothing about the act.
"""

from collections.abc import Callable
from uuid import UUID, uuid4

from libs.common.database.database import WriteSession
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.http.signing import Signer, canonical, fingerprint
from services.consent.receipts import store as receipts_store
from services.consent.receipts.receipt import About, ChainLink, ReceiptAct, ReceiptWords, payload
from services.consent.receipts.store import StoredReceipt


async def issue(
    session: WriteSession,
    signer: Signer,
    *,
    subject: UUID,
    act: ReceiptAct,
    about: Callable[[ReceiptWords], About],
    receipt_id: UUID | None = None,
    catalogue: Catalogue | None = None,
) -> StoredReceipt:
    """The next receipt of the citizen's chain, stored and signed. `act.by`: a Giver, an Office, or SERVICE.

    `receipt_id`, `catalogue`: where the act has them at hand; else a new id, and the catalogue of today.
    """
    words = ReceiptWords(catalogue or await catalogue_store.current(session), act.at)
    link, told = await _link(session, signer, subject, act=act, receipt_id=receipt_id or uuid4()), about(words)
    content = payload(
        subject,
        act,
        told,
        link=link,
        record_sha256=fingerprint(canonical(told.record)),
        policy=words.catalogue.policy(act.at),
    )
    stored = StoredReceipt(
        receipt_id=link.receipt_id,
        borger_id=subject,
        sequence=link.sequence,
        previous_sha256=link.previous_sha256,
        event=str(act.event),
        consent_id=told.object_id if told.kind == "consent" else None,
        object_kind=told.kind,
        object_id=told.object_id,
        issued_at=link.issued_at,
        jws=signer.receipt(content),
    )
    await receipts_store.add(session, stored)
    return stored


async def _link(
    session: WriteSession, signer: Signer, borger_id: UUID, *, act: ReceiptAct, receipt_id: UUID
) -> ChainLink:
    await receipts_store.lock_chain(session, borger_id)
    last = await receipts_store.last(session, borger_id)
    return ChainLink(
        receipt_id=receipt_id,
        sequence=1 if last is None else last.sequence + 1,
        previous_sha256=None if last is None else fingerprint(last.jws.encode()),
        issued_at=act.at,
        issuer=signer.issuer,
    )
