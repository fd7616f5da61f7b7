"""What the HTTP door answers: readable alone. Hashes and raw leaves are base64 (RFC 4648 §4), times RFC 3339 in UTC."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.http.cursors import CURSOR_CHARS_MAX
from libs.common.wire.identifiers import Identity, Uuid
from libs.common.wire.values import DECIMAL, Moment
from services.audit.model.shapes import Answer, Index

ENTRIES_MAX = 200  # a page of opened entries

Cursor = Annotated[str, Field(max_length=CURSOR_CHARS_MAX)]
EntryType = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=80)]


class SearchQuery(BaseModel):
    """The officer's question. `after` ≤ occurred_at < `before`; at least one filter, so that nobody just browses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Uuid | None = None
    actor: Identity | None = None
    type: EntryType | None = None
    after: Moment | None = None
    before: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=ENTRIES_MAX), DECIMAL] = 50
    cursor: Cursor | None = None


class OpenedEntry(Answer):
    """An entry with what it commits to. `missing`: erased. `mismatched`: not what was committed to, so not shown."""

    index: Index
    leaf: dict[str, Any]
    opened: dict[str, Any]
    missing: list[str]
    mismatched: list[str]


class OpenedEntries(Answer):
    """A page of entries, newest first. `next`: the `cursor` of the next page."""

    items: list[OpenedEntry]
    next: Cursor | None


class OwnEntry(Answer):
    """What was done about you: never by whom."""

    index: Index
    type: str
    action: Literal["C", "R", "U", "D", "E"]
    outcome: Literal["success", "refused", "failure"]
    occurred_at: str
    unit: str | None
    purposes: list[str]
    legal_basis: str | None


class OwnEntries(Answer):
    """A page of your entries, newest first."""

    items: list[OwnEntry]
    next: Cursor | None
