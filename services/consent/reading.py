"""What somebody who acts for another may read of what is kept about them: never another parent's acts (R34, 1.6)."""

from uuid import UUID

from services.consent.api_acting import Acting
from services.consent.domain.acting import Role
from services.consent.receipts import content_of
from services.consent.store_receipts import StoredReceipt


def actors_shown_to(by: Acting) -> frozenset[UUID] | None:
    """Whose acts the reader sees the receipts of, beside those of nobody; None: everybody's.

    A parent sees their own acts and the child's. Who else holds custody, and through whom they act, is not theirs to
    learn from the child's receipts. The child has them all: their chain is whole.
    """
    return frozenset({by.borger_id, by.giver.borger_id}) if by.giver.role is Role.CUSTODY_HOLDER else None


def may_read(by: Acting, stored: StoredReceipt) -> bool:
    """Whether one receipt is the reader's to see."""
    shown = actors_shown_to(by)
    return shown is None or content_of(stored.jws)["act"]["actor"] in {None, *map(str, shown)}
