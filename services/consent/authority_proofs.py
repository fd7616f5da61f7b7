"""Receipts of authorities, in the represented citizen's own chain (P5)."""

from datetime import datetime

from libs.common.database import WriteSession
from services.consent import handlers_receipts
from services.consent.domain.acting import Giver
from services.consent.domain.authority import Authority
from services.consent.domain.authority_receipt import about_authority
from services.consent.domain.receipt import Act, Office, ReceiptEvent
from services.consent.receipts import Signer
from services.consent.store_receipts import StoredReceipt


async def prove_start(
    session: WriteSession, signer: Signer, authority: Authority, by: Office, *, at: datetime
) -> StoredReceipt:
    """That somebody may act for the citizen from now on, or from its first day on."""
    return await _prove(session, signer, authority, Act(ReceiptEvent.AUTHORITY_RECORDED, by, at))


async def prove_end(
    session: WriteSession, signer: Signer, authority: Authority, by: Giver | Office, *, at: datetime
) -> StoredReceipt:
    """That nobody may act on it any more."""
    return await _prove(session, signer, authority, Act(ReceiptEvent.AUTHORITY_ENDED, by, at))


async def _prove(session: WriteSession, signer: Signer, authority: Authority, act: Act) -> StoredReceipt:
    return await handlers_receipts.issue(
        session,
        signer,
        subject=authority.borger_id,
        act=act,
        about=lambda words: about_authority(authority, words),
    )
