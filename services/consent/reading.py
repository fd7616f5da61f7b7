"""What somebody who acts for another may read of what is kept about them: never another parent's acts (R34, 1.6)."""

from services.consent.api_acting import Acting
from services.consent.domain.acting import Role
from services.consent.receipts import content_of
from services.consent.store_receipts import StoredReceipt


def may_read(by: Acting, stored: StoredReceipt) -> bool:
    """Whether a receipt is the reader's to see: a parent sees their own acts, the child's, and nobody's.

    Who else holds custody, and through whom they act, is not theirs to learn from the child's receipts. The child has
    them all: their chain is whole.
    """
    if by.giver.role is not Role.CUSTODY_HOLDER:
        return True
    actor = content_of(stored.jws)["act"]["actor"]
    return actor in {None, str(by.borger_id), str(by.giver.borger_id)}
