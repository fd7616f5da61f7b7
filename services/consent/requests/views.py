"""A request in the shape that the citizen sees: with the words of the catalogue, and without any employee (R25)."""

from datetime import datetime

from services.consent.catalogue.entries import Catalogue, Category, Entry
from services.consent.catalogue.views import text_in_force
from services.consent.requests.request import Item, Request
from services.consent.requests.schemas import AskedCategory, Named, WaitingItem, WaitingRequest


def waiting_view(request: Request, catalogue: Catalogue, now: datetime) -> WaitingRequest:
    """A request as its citizen, or who acts for them, may see it at `now`."""
    purpose, (state, reply) = catalogue.purpose(request.purpose, now), request.state_at(now)
    path = f"/v1/citizens/{request.borger_id}/requests/{request.request_id}"
    return WaitingRequest.of(
        request,
        asked_by=_named(request.unit, catalogue.unit(request.unit, now)),
        purpose=_named(request.purpose, purpose),
        text=None if purpose is None else text_in_force(catalogue, purpose.text, now),
        items=[_item(item, catalogue, now) for item in request.items],
        state=state,
        reply=reply,
        answer_path=f"{path}:answer",
        decline_path=f"{path}:decline",
    )


def _item(item: Item, catalogue: Catalogue, now: datetime) -> WaitingItem:
    return WaitingItem.of(
        item,
        holder=_named(item.holder_unit, catalogue.unit(item.holder_unit, now)),
        recipient=_named(item.recipient_unit, catalogue.unit(item.recipient_unit, now)),
        categories=[_category(code, catalogue.category(code, now)) for code in sorted(item.categories)],
        consent_id=item.consent.consent_id,
        status=item.consent.status_at(now),
        open=item.is_open(now),
    )


def _category(code: str, entry: Category | None) -> AskedCategory:
    special = entry is None or entry.special is not None
    return AskedCategory.of(_named(code, entry), special=special)


def _named(code: str, entry: Entry | None) -> Named:
    return Named.of(entry, code=code, label=None if entry is None else entry.label)
