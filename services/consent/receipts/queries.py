"""What somebody who acts for another may read of what is kept about them: never another parent's acts (R34)."""

from collections.abc import Callable
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.acting import Acting
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.http.signing import content_of
from services.consent.model.acting import Role
from services.consent.receipts import store as receipts_store
from services.consent.receipts.store import StoredReceipt


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


async def read_receipt(
    session: WriteSession, actor: Actor, borger_id: UUID, receipt_id: UUID, *, shows: Callable[[StoredReceipt], bool]
) -> tuple[StoredReceipt, Catalogue] | None:
    """One receipt, and the catalogue to tell it with, audited as `receipt.read`; None when it is not the reader's.

    `shows`: whether the reader may see a receipt. What is not shown is not recorded as read.
    """
    stored = await receipts_store.find(session, receipt_id)
    if stored is None or stored.borger_id != borger_id or not shows(stored):
        return None
    objects = {"receipt_id": str(receipt_id)}
    now = await clock(session)
    await append(session, [http_audit.of_read("receipt.read", actor, subject=borger_id, at=now, objects=objects)])
    return stored, await catalogue_store.current(session)
