"""The citizen reads who was told what about them (P4)."""

from starlette.requests import Request

from libs.common.database.transaction import committed
from libs.common.http.door import Router
from libs.common.running.sweep import readable
from services.consent.citizens.acting import ActingWithin
from services.consent.http.pages import Page
from services.consent.http.shapes import UsePage, UseView
from services.consent.uses import queries as uses_queries
from services.consent.uses.pages_store import USE_PLACE, UseLine

router = Router(prefix="/v1/citizens/{borger_id}/uses", tags=["citizens"])


@router.get("", summary="List the uses of a citizen's information")
async def list_uses(request: Request, by: ActingWithin, page: Page) -> UsePage:
    """Every use: what, to which unit, for which purpose, when (P4). No employee's identity."""
    after = page.place(USE_PLACE)
    found = await committed(
        request,
        lambda session: uses_queries.list_uses(
            session, by.actor, by.borger_id, purposes=by.purposes, after=after, limit=page.wanted
        ),
    )
    shown, following = page.cut(found, UseLine.place)
    return UsePage(items=readable(shown, use_view, name="uses"), next=following)


def use_view(line: UseLine) -> UseView:
    """A line of the use log; the notification's id stays inside."""
    return UseView(
        kind=line.kind,
        event_type=line.event_type,
        categories=line.categories,
        holder_unit=line.holder_unit,
        recipient_unit=line.recipient_unit,
        purpose=line.purpose,
        first_at=line.first_at,
        last_at=line.last_at,
        count=line.count,
        outcome=line.outcome,
    )
