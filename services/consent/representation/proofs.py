"""Receipts of authorities, in the represented citizen's own chain (P5)."""

from datetime import datetime

from libs.common.database.database import WriteSession
from services.consent.citizens.authority import Authority
from services.consent.http.signing import Signer
from services.consent.model.acting import Giver, Office
from services.consent.receipts import issue
from services.consent.receipts.receipt import ReceiptAct, ReceiptEvent
from services.consent.receipts.store import StoredReceipt
from services.consent.representation.receipt import about_authority


async def prove_start(
    session: WriteSession, signer: Signer, authority: Authority, by: Office, *, at: datetime
) -> StoredReceipt:
    """That somebody may act for the citizen from now on, or from its first day on."""
    return await _prove(session, signer, authority, ReceiptAct(ReceiptEvent.AUTHORITY_RECORDED, by, at))


async def prove_end(
    session: WriteSession, signer: Signer, authority: Authority, by: Giver | Office, *, at: datetime
) -> StoredReceipt:
    """That nobody may act on it any more."""
    return await _prove(session, signer, authority, ReceiptAct(ReceiptEvent.AUTHORITY_ENDED, by, at))


async def _prove(session: WriteSession, signer: Signer, authority: Authority, act: ReceiptAct) -> StoredReceipt:
    return await issue.issue(
        session,
        signer,
        subject=authority.borger_id,
        act=act,
        about=lambda words: about_authority(authority, words),
    )
