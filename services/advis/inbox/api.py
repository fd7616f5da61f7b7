"""The inbox door: the only place where a caseworker, or a caseworker system, is told anything.

1. Every read makes exactly one acquire call, with candidates or without; a list asks one preview before it (P2).
2. What another unit or caseworker has, what is cancelled and what never was have one answer: the constant 404.
3. A page is filled with what may be shown, and `next` says only whether more may be shown: a hidden item leaves no gap.
4. A refused permit cancels the notification in the transaction that records the look-up, before anything is answered.
5. What is above the reader's level is no candidate: a refused permit would take it away from everybody (R15).
6. The answer goes out under its permits (`disclosure.py`); where consent cannot be asked it is 503, and empty.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from libs.common.database.database import WriteSession, clock
from libs.common.http.auth import Principal, require
from libs.common.http.cursors import opened, sealed
from libs.common.http.door import DISCLOSES, Router
from libs.common.http.problems import MissingRightError, NotFoundError, UnavailableError
from libs.common.wire.identifiers import parse_uuid
from libs.common.wire.permits import BATCH_MAX
from libs.common.wire.values import Moment
from services.advis.consent.client import ConsentUnavailableError
from services.advis.disclosure.permits import Question, Shown
from services.advis.disclosure.response import Disclosure, DisclosureResponse
from services.advis.inbox import commands as inbox_commands
from services.advis.inbox.schemas import InboxItem, InboxPage, InboxQuery
from services.advis.model.audit import Actor
from services.advis.model.events import InboxRead
from services.advis.model.sensitivity import level_in
from services.advis.notifications import commands as notifications_commands
from services.advis.notifications import store as notifications_store
from services.advis.notifications.notification import OPEN_ITEMS, Act, Notification, Place, Reader, State
from services.advis.reference.reference import Language, Reference
from services.advis.resources import Resources, resources

router = Router(prefix="/v1/inbox", tags=["inbox"])

Reading = Annotated[Principal, Depends(require("caseworker", "recipient_system"))]
Means = Annotated[Resources, Depends(resources)]
_PLACE: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[Moment, UUID])
Words = Annotated[Language, Query(description="the language of the labels")]


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who reads whose inbox, and how the permits are to be worded."""

    reader: Reader
    question: Question


@router.get(
    "", openapi_extra=DISCLOSES, response_model=InboxPage, summary="List the notifications of an employee's inbox"
)
async def list_notifications(
    request: Request, principal: Reading, means: Means, query: Annotated[InboxQuery, Query()]
) -> Response:
    """Newest first; unread and read unless `state` says otherwise. Listing changes no state."""
    asker = _asker(principal, means)
    after = None if query.cursor is None else Place(*opened(request, query.cursor, _PLACE))
    found = await _candidates(means, asker, query, after)
    with _or_503():
        refused = set(await means.permits.would_refuse(found, asker.question))
        showing = [notification for notification in found if notification not in refused]
        granted = await means.permits.acquire(showing[: query.limit], asker.question)
    with granted.not_sent_on_failure():
        read = InboxRead("listed", asker.reader.unit, _criterion(query), found=True)
        gone = [*refused, *granted.refused]

        async def recorded(session: WriteSession) -> None:
            at = await clock(session)
            await inbox_commands.record_reading(
                session, read, gone, actor=asker.question.actor, now=at, is_empty=not granted.shown
            )

        await means.committed(recorded)
        more = len(showing) > query.limit
        if (more and granted.refused) or (not more and len(found) == BATCH_MAX):
            raise UnavailableError  # a withdrawal between the two calls: a short page with more behind it would tell
        items = tuple(_item(item, means.reference, query.language) for item in granted.shown)
        page = InboxPage(items=items, next=_next(request, granted.shown) if more else None)
        body = page.model_dump_json().encode()
    return DisclosureResponse(body, Disclosure(granted.ends_at_s, granted.settle))


async def _candidates(
    means: Resources, asker: _Asker, query: InboxQuery, after: Place | None
) -> Sequence[Notification]:
    async with means.database.read() as session:
        return await notifications_store.candidates(
            session,
            asker.reader,
            states=OPEN_ITEMS if query.state is None else {State(query.state)},
            limit=BATCH_MAX,
            case_reference=query.case_reference,
            after=after,
        )


def _criterion(query: InboxQuery) -> tuple[tuple[str, str], ...]:
    """What was searched for, for the record of it (R20): codes and the unit's own reference, never a person."""
    named = (("case_reference", query.case_reference),) if query.case_reference else ()
    return (("state", query.state or "open"), *named)


@router.get("/{notification_id}", openapi_extra=DISCLOSES, response_model=InboxItem, summary="Open a notification")
async def open_notification(
    notification_id: Annotated[str, Path(max_length=64)], principal: Reading, means: Means, language: Words = "da"
) -> Response:
    """The item, which is read from now on."""
    return await _one(notification_id, Act.OPEN, _asker(principal, means), means, language=language)


@router.post("/{notification_id}:handle", response_model=InboxItem, summary="Handle a notification")
async def handle_notification(
    notification_id: Annotated[str, Path(max_length=64)], principal: Reading, means: Means, language: Words = "da"
) -> Response:
    """The item, which is handled from now on. Repeating it changes nothing."""
    return await _one(notification_id, Act.HANDLE, _asker(principal, means), means, language=language)


_DONE = {Act.OPEN: "opened", Act.HANDLE: "handled"}


async def _one(given: str, act: Act, asker: _Asker, means: Resources, *, language: Language) -> Response:
    """Candidate or none, one acquire, one transaction, one answer. Raises NotFoundError and UnavailableError."""
    wanted = _uuid(given)
    async with means.database.read() as session:
        found = await notifications_store.candidate(session, asker.reader, wanted) if wanted else None
    with _or_503():
        granted = await means.permits.acquire([found] if found else [], asker.question)
    with granted.not_sent_on_failure():
        actor = asker.question.actor
        asked = (("notification_id", str(wanted)),) if wanted else ()

        async def acted(session: WriteSession) -> State | None:
            at, state = await clock(session), None
            for item in granted.shown:
                state = await notifications_commands.act(
                    session, item.notification.notification_id, act, actor=actor, now=at
                )
            read = InboxRead(_DONE[act], asker.reader.unit, asked, found=state is not None)
            await inbox_commands.record_reading(session, read, granted.refused, actor=actor, now=at)
            return state

        state = await means.committed(acted)
        if state is None:
            raise NotFoundError
        body = _item(granted.shown[0], means.reference, language, state).model_dump_json().encode()
    return DisclosureResponse(body, Disclosure(granted.ends_at_s, granted.settle))


def _asker(principal: Principal, means: Resources) -> _Asker:
    """A caseworker reads the cases they have in the unit they act in now; a unit's system reads them all (R15, R37).

    Above the level of the one who asks an item is as if it were not there.
    """
    unit = principal.unit
    if unit is None or unit not in means.reference.units:
        raise MissingRightError("The token names no unit of the catalogue.")
    if "caseworker" in principal.roles:
        question = Question("inbox", Actor(principal.subject, "caseworker"))
        level = level_in(principal.claims)
        return _Asker(Reader(unit, principal.subject, means.reference.categories_up_to(level)), question)
    question = Question("api", Actor(principal.client_id, "recipient_system"))
    level = means.reference.level_of_system(unit, principal.client_id)
    return _Asker(Reader(unit, None, means.reference.categories_up_to(level)), question)


@contextmanager
def _or_503() -> Iterator[None]:
    try:
        yield
    except ConsentUnavailableError:
        raise UnavailableError from None


def _item(shown: Shown, reference: Reference, language: Language, state: State | None = None) -> InboxItem:
    n = shown.notification
    unit = reference.units.get(n.holder_unit)
    return InboxItem(
        notification_id=n.notification_id,
        case_reference=n.case_reference,
        event_type=n.event_type,
        event_label=reference.label("event_types", n.event_type, language),
        category=n.category,
        category_label=None if n.category is None else reference.label("categories", n.category, language),
        occurred_at=n.occurred_at,
        arrived_at=n.arrived_at,
        corrects=n.corrects,
        annulled=n.annulled,
        holder_unit=n.holder_unit,
        holder_unit_label=reference.label("units", n.holder_unit, language),
        holder_contact=None if unit is None else unit.contact,
        purpose=n.purpose,
        purpose_label=reference.label("purposes", n.purpose, language),
        consents=shown.consents,
        state=(state or n.state).value,
    )


def _next(request: Request, shown: Sequence[Shown]) -> str:
    """The place of the last item shown, which its reader knows already: nothing else goes into a cursor."""
    last = shown[-1].notification
    return sealed(request, (last.arrived_at, last.notification_id))


def _uuid(given: str) -> UUID | None:
    try:
        return parse_uuid(given)
    except ValueError:
        return None
