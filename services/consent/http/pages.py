"""One page of a list: where it begins, how long it is, and the cursor of the next. One mechanism for every list.

A list asks its query for `Paging.wanted` items after `Paging.after`, of those that the reader may see, and shows
`Paging.cut`: what may not be seen is left out by the query, so that no page is short before the list ends.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Protocol, Self, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import TypeAdapter
from starlette.requests import Request

from libs.common.database.database import WriteSession, clock
from libs.common.database.transaction import committed
from libs.common.http.cursors import CURSOR_CHARS_MAX, opened, sealed
from libs.common.outbox.outbox import append
from libs.common.running.sweep import Readable, readable
from libs.common.wire.identifiers import LAST
from libs.common.wire.values import DECIMAL, Moment
from services.consent.http.audit import Actor, of_listed, of_read
from services.consent.http.shapes import Answer

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="items in a page"), DECIMAL]
Cursor = Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX, description="`next` of the page before")]
_Item = TypeVar("_Item")
_View = TypeVar("_View")
_Place = TypeVar("_Place")
_Found = TypeVar("_Found")

MOMENT_AND_ID: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[Moment, UUID])


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for."""

    request: Request
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None

    @property
    def wanted(self) -> int:
        """How many to look for: one more than is shown says whether there are more."""
        return self.limit + 1

    def place(self, form: TypeAdapter[_Place]) -> _Place | None:
        """The place to go on after, in the form given; None for the first page. 422 for a cursor of anything else."""
        return None if self.cursor is None else opened(self.request, self.cursor, form)

    @property
    def after(self) -> tuple[datetime, UUID] | None:
        """`place` in a list that is sorted by a moment and an id."""
        return self.place(MOMENT_AND_ID)

    def before(self, now: datetime) -> tuple[datetime, UUID]:
        """`after`; for the first page the place before everything up to `now`."""
        return self.after or (now, LAST)

    def cut(self, found: Sequence[_Item], key: Callable[[_Item], Sequence[Any]]) -> tuple[Sequence[_Item], str | None]:
        """The items to show, and the cursor after the last of them; None at the end. `key`: an item's place."""
        shown = found[: self.limit]
        more = found.reaches(self.wanted) if isinstance(found, Readable) else len(found) >= self.wanted
        return shown, sealed(self.request, key(shown[-1])) if more else None


Page = Annotated[Paging, Depends()]


class PageOf(Answer, Generic[_View]):
    """Some items of a list, and in `next` the cursor of the next page, null at the end."""

    items: tuple[_View, ...]
    next: str | None

    @classmethod
    def cut(
        cls,
        found: Sequence[_Item],
        page: Paging,
        *,
        view: Callable[[_Item], _View],
        key: Callable[[_Item], Sequence[Any]],
        name: str,
    ) -> Self:
        """The page of what was found; `name`: the list's, for the record of an item that cannot be read."""
        shown, following = page.cut(found, key)
        return cls(items=readable(shown, view, name=name), next=following)


class _Reader(Protocol):
    @property
    def actor(self) -> Actor: ...

    @property
    def borger_id(self) -> UUID: ...


class _AboutSomebody(Protocol):
    @property
    def borger_id(self) -> UUID: ...


_About = TypeVar("_About", bound=Sequence[_AboutSomebody])


async def listed(
    request: Request, kind: str, by: _Reader, read: Callable[[WriteSession, datetime], Awaitable[_Found]]
) -> _Found:
    """What `read` finds about one citizen at this moment. That it was read is on the record as `kind` (R20)."""

    async def work(session: WriteSession) -> _Found:
        now = await clock(session)
        found = await read(session, now)
        await append(session, [of_read(kind, by.actor, subject=by.borger_id, at=now)])
        return found

    return await committed(request, work)


async def listed_of_many(
    request: Request, kind: str, actor: Actor, read: Callable[[WriteSession, datetime], Awaitable[_About]]
) -> tuple[_About, datetime]:
    """What `read` finds about several citizens, and when. The record has one entry for each of them."""

    async def work(session: WriteSession) -> tuple[_About, datetime]:
        now = await clock(session)
        found = await read(session, now)
        await append(session, of_listed(kind, actor, (item.borger_id for item in found), at=now))
        return found, now

    return await committed(request, work)
