"""A request in the shape that the citizen sees: with the words of the catalogue, and without any employee (R25)."""

from datetime import datetime

from services.consent.catalogue.entries import Catalogue, Entry
from services.consent.catalogue.schemas import Words
from services.consent.catalogue.views import text_in_force
from services.consent.requests.request import Item, Request
from services.consent.requests.schemas import AskedCategory, Named, WaitingItem, WaitingRequest


def waiting_view(request: Request, catalogue: Catalogue, now: datetime) -> WaitingRequest:
    """A request as its citizen, or who acts for them, may see it at `now`."""
    purpose, (state, reply) = catalogue.purpose(request.purpose, now), request.state_at(now)
    path = f"/v1/citizens/{request.borger_id}/requests/{request.request_id}"
    return WaitingRequest.model_validate(
        {
            "request_id": request.request_id,
            "asked_by": _named(request.unit, catalogue.unit(request.unit, now)),
            "function": request.function,
            "purpose": _named(request.purpose, purpose),
            "text": None if purpose is None else text_in_force(catalogue, purpose.text, now),
            "language": request.language,
            "items": [_item(item, catalogue, now) for item in request.items],
            "requested_at": request.requested_at,
            "answer_by": request.answer_by,
            "reminded_at": request.reminded_at,
            "state": state.value,
            "reply": None if reply is None else reply.value,
            "answer_path": f"{path}:answer",
            "decline_path": f"{path}:decline",
        }
    )


def _item(item: Item, catalogue: Catalogue, now: datetime) -> WaitingItem:
    categories = []
    for code in sorted(item.categories):
        entry = catalogue.category(code, now)
        special = entry is None or entry.special is not None
        categories.append(AskedCategory(code=code, label=_label(entry), special=special))
    return WaitingItem(
        item_id=item.item_id,
        holder=_named(item.holder_unit, catalogue.unit(item.holder_unit, now)),
        recipient=_named(item.recipient_unit, catalogue.unit(item.recipient_unit, now)),
        categories=tuple(categories),
        consent_id=item.consent.consent_id,
        status=item.consent.status_at(now).value,
        open=item.is_open(now),
    )


def _named(code: str, entry: Entry | None) -> Named:
    return Named(code=code, label=_label(entry))


def _label(entry: Entry | None) -> Words | None:
    return None if entry is None else Words.model_validate(entry.label)
