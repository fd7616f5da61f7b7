"""What somebody must be told: the citizen's notices, and the data protection officer's. Codes and pseudonyms only."""

from operator import attrgetter
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from starlette.requests import Request

from libs.common.database.transaction import committed
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from libs.common.running.sweep import Readable
from libs.common.wire.values import Moment, Switch
from services.consent.citizens.acting import ActingCitizen
from services.consent.http.callers import actor_of
from services.consent.http.pages import Page, PageOf, Paging, listed, listed_of_many
from services.consent.http.shapes import Answer
from services.consent.notices import commands as notices_commands
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice

router = Router(prefix="/v1/notices", tags=["notices"])
citizen_router = Router(prefix="/v1/citizens/{borger_id}/notices", tags=["notices"])
Officer = Annotated[Principal, Depends(require("dpo"))]
Unseen = Annotated[Switch, Query(description="only those not seen yet")]


class NoticeView(Answer):
    """One thing to be told. `kind` is a code; `object_id` is the id of what it is about; `at` is when that happened."""

    notice_id: UUID
    borger_id: UUID
    kind: str
    object_id: UUID
    at: Moment
    seen_at: Moment | None


class NoticePage(PageOf[NoticeView]):
    """Newest first. `next`: the cursor of the next page, null at the end."""


@citizen_router.get("", summary="List a citizen's notices")
async def list_notices(request: Request, by: ActingCitizen, page: Page, unseen: Unseen = False) -> NoticePage:
    """What the citizen must be told: what others did in their name or about them, and what is about to end."""
    found = await listed(
        request,
        "notices.listed",
        by,
        lambda session, now: notices_store.page_of_citizen(
            session, by.borger_id, unseen=unseen, before=page.before(now), limit=page.wanted
        ),
    )
    return _page(found, page)


@citizen_router.post("/{notice_id}:seen", summary="Mark a citizen's notice as seen")
async def mark_notice_seen(request: Request, by: ActingCitizen, notice_id: UUID) -> NoticeView:
    """Seen. The first time stands, so repeating it answers the same."""
    return _seen(
        await committed(
            request,
            lambda session: notices_commands.see(session, by.actor, notice_id, "citizen", borger_id=by.borger_id),
        )
    )


@router.get("", summary="List the data protection officer's notices")
async def list_officer_notices(request: Request, caller: Officer, page: Page, unseen: Unseen = False) -> NoticePage:
    """What the data protection officer must be told, about anybody; each person read about is on the record."""
    found, _ = await listed_of_many(
        request,
        "notices.listed",
        actor_of(request, caller.subject, "dpo", unit=caller.unit),
        lambda session, now: notices_store.page_of_dpo(
            session, unseen=unseen, before=page.before(now), limit=page.wanted
        ),
    )
    return _page(found, page)


@router.post("/{notice_id}:seen", summary="Mark a data protection officer's notice as seen")
async def mark_officer_notice_seen(request: Request, caller: Officer, notice_id: UUID) -> NoticeView:
    """Seen by the officer. The first time stands, so repeating it answers the same."""
    actor = actor_of(request, caller.subject, "dpo", unit=caller.unit)
    return _seen(await committed(request, lambda session: notices_commands.see(session, actor, notice_id, "dpo")))


def _page(found: Readable[Notice], page: Paging) -> NoticePage:
    return NoticePage.cut(found, page, view=NoticeView.of, key=attrgetter("at", "notice_id"), name="notices")


def _seen(notice: Notice | None) -> NoticeView:
    if notice is None:
        raise NotFoundError
    return NoticeView.of(notice)
