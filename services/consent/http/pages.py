"""One page of a list: where it begins, how long it is, and the cursor of the next. One mechanism for every list.

A list asks its query for `Paging.wanted` items after `Paging.after`, of those that the reader may see, and shows
`Paging.cut`: what may not be seen is left out by the query, so that no page is short before the list ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import TypeAdapter
from starlette.requests import Request

from libs.common.http.cursors import CURSOR_CHARS_MAX, opened, sealed
from libs.common.running.sweep import Readable
from libs.common.wire.values import DECIMAL, Moment

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="items in a page"), DECIMAL]
Cursor = Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX, description="`next` of the page before")]
_Item = TypeVar("_Item")
_Place = TypeVar("_Place")

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

    def cut(self, found: Sequence[_Item], key: Callable[[_Item], Sequence[Any]]) -> tuple[Sequence[_Item], str | None]:
        """The items to show, and the cursor after the last of them; None at the end. `key`: an item's place."""
        shown = found[: self.limit]
        more = found.reaches(self.wanted) if isinstance(found, Readable) else len(found) >= self.wanted
        return shown, sealed(self.request, key(shown[-1])) if more else None


Page = Annotated[Paging, Depends()]
