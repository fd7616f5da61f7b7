"""Receipts of what ended without the citizen ending it: expiry and closing, issued by the service itself (P5, R44)."""

from collections.abc import Iterable

from libs.common.database import WriteSession
from services.consent import handlers_receipts
from services.consent.domain.consent import ClosedReason
from services.consent.domain.events import ConsentClosed, ConsentExpired, Event
from services.consent.domain.receipt import SERVICE, Act, ReceiptEvent
from services.consent.receipts import Signer
from services.consent.records import scope_of
from services.consent.scopes import Changed


async def prove(session: WriteSession, signer: Signer, events: Iterable[Event], changed: Changed) -> None:
    """One receipt for each that ended, in order; none for what was superseded: its successor's receipt names it."""
    for event in events:
        if not isinstance(event, ConsentClosed | ConsentExpired):
            continue
        consent = event.consent
        if consent.closed_reason is ClosedReason.SUPERSEDED:
            continue
        expired = isinstance(event, ConsentExpired)
        act = Act(
            ReceiptEvent.EXPIRED if expired else ReceiptEvent.CLOSED,
            SERVICE,
            changed.at,
            reason=None if consent.closed_reason is None else str(consent.closed_reason),
            epoch=changed.epochs[scope_of(consent)],
        )
        await handlers_receipts.issue_for_consent(session, signer, consent, act=act)
