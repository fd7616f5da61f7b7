"""A receipt as a list shows it."""

from services.consent.http.shapes import ReceiptView
from services.consent.receipts.store import StoredReceipt


def receipt_view(stored: StoredReceipt) -> ReceiptView:
    """A receipt."""
    return ReceiptView(
        receipt_id=stored.receipt_id,
        sequence=stored.sequence,
        event=stored.event,
        consent_id=stored.consent_id,
        issued_at=stored.issued_at,
        jws=stored.jws,
    )
