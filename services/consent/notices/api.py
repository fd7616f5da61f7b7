"""What somebody must be told: the citizen's notices, and the data protection officer's. Codes and pseudonyms only."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from starlette.requests import Request

from libs.common.database.transaction import committed
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from libs.common.running.sweep import readable
from libs.common.wire.values import Moment, Switch
from services.consent.citizens.acting import ActingCitizen
from services.consent.http.callers import actor_of
from services.consent.http.pages import Page, Paging
from services.consent.http.shapes import Answer
from services.consent.notices import queries as notices_queries
from services.consent.notices.store import Kept

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


class NoticePage(Answer):
    """Newest first. `next`: the cursor of the next page, null at the end."""

    items: tuple[NoticeView, ...]
    next: str | None


@citizen_router.get("", summary="List a citizen's notices")
async def list_notices(request: Request, by: ActingCitizen, page: Page, unseen: Unseen = False) -> NoticePage:
    """What the citizen must be told: what others did in their name or about them, and what is about to end."""
    found = await committed(
        request,
        lambda session: notices_queries.list_of_citizen(
            session, by.actor, by.borger_id, unseen=unseen, after=page.after, limit=page.wanted
        ),
    )
    return _page(found, page)


@citizen_router.post("/{notice_id}:seen", summary="Mark a citizen's notice as seen")
async def mark_notice_seen(request: Request, by: ActingCitizen, notice_id: UUID) -> NoticeView:
    """Seen. The first time stands, so repeating it answers the same."""
    kept = await committed(
        request, lambda session: notices_queries.see_of_citizen(session, by.actor, by.borger_id, notice_id)
    )
    if kept is None:
        raise NotFoundError
    return _view(kept)


@router.get("", summary="List the data protection officer's notices")
async def list_officer_notices(request: Request, caller: Officer, page: Page, unseen: Unseen = False) -> NoticePage:
    """What the data protection officer must be told, about anybody; each person read about is on the record."""
    actor = actor_of(request, caller.subject, "dpo", unit=caller.unit)
    found = await committed(
        request,
        lambda session: notices_queries.list_of_dpo(session, actor, unseen=unseen, after=page.after, limit=page.wanted),
    )
    return _page(found, page)


@router.post("/{notice_id}:seen", summary="Mark a data protection officer's notice as seen")
async def mark_officer_notice_seen(request: Request, caller: Officer, notice_id: UUID) -> NoticeView:
    """Seen by the officer. The first time stands, so repeating it answers the same."""
    actor = actor_of(request, caller.subject, "dpo", unit=caller.unit)
    kept = await committed(request, lambda session: notices_queries.see_of_dpo(session, actor, notice_id))
    if kept is None:
        raise NotFoundError
    return _view(kept)


def _page(found: tuple[Kept, ...], page: Paging) -> NoticePage:
    items, following = page.cut(readable(found, _view, name="notices"), lambda item: (item.at, item.notice_id))
    return NoticePage(items=tuple(items), next=following)


def _view(kept: Kept) -> NoticeView:
    notice = kept.notice
    return NoticeView(
        notice_id=notice.notice_id,
        borger_id=notice.borger_id,
        kind=notice.kind,
        object_id=notice.object_id,
        at=notice.at,
        seen_at=kept.seen_at,
    )
