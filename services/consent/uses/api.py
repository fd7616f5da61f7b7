"""The citizen reads who was told what about them (P4)."""

from typing import Literal

from starlette.requests import Request

from libs.common.http.door import Router
from libs.common.wire.messages import Code
from libs.common.wire.values import Moment
from services.consent.citizens.acting import ActingWithin
from services.consent.http.pages import Page, PageOf, listed
from services.consent.http.shapes import Answer
from services.consent.uses import pages_store
from services.consent.uses.pages_store import USE_PLACE, UseLine

router = Router(prefix="/v1/citizens/{borger_id}/uses", tags=["citizens"])


class UseView(Answer):
    """What was told: which kinds of information, held by whom, to which unit, for what, when, how often."""

    kind: str
    event_type: str
    categories: tuple[Code, ...]
    holder_unit: Code
    recipient_unit: Code
    purpose: Code
    first_at: Moment
    last_at: Moment
    count: int
    outcome: Literal["disclosed", "unknown", "not_sent"]


class UsePage(PageOf[UseView]):
    """By first use, newest first. `next`: the cursor of the next page, null at the end."""


@router.get("", summary="List the uses of a citizen's information")
async def list_uses(request: Request, by: ActingWithin, page: Page) -> UsePage:
    """Every use: what, to which unit, for which purpose, when (P4). No employee's identity."""
    after = page.place(USE_PLACE)
    found = await listed(
        request,
        "uses.listed",
        by,
        lambda session, _: pages_store.page(
            session, by.borger_id, purposes=by.purposes, after=after, limit=page.wanted
        ),
    )
    return UsePage.cut(found, page, view=UseView.of, key=UseLine.place, name="uses")
