"""The public shapes of advis's HTTP interface. Codes are the municipality's own; words come in Danish or English."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from libs.common.http.cursors import CURSOR_CHARS_MAX
from libs.common.wire.messages import CaseReference
from libs.common.wire.values import DECIMAL, Moment
from services.advis.model.shapes import _Shape

PAGE_MAX = 100  # items
PAGE_DEFAULT = 50


class InboxItem(_Shape):
    """An advis: that something happened, where, and whom to ask. No content, no number, no free text (R16)."""

    notification_id: UUID
    case_reference: str = Field(description="the recipient's own reference")
    event_type: str
    event_label: str
    category: str | None
    category_label: str | None
    occurred_at: Moment
    arrived_at: Moment
    corrects: UUID | None = Field(description="the notification whose place this one took: what that said was wrong")
    annulled: bool = Field(description="true: what the corrected one said did not happen at all")
    holder_unit: str
    holder_unit_label: str
    holder_contact: str | None
    purpose: str
    purpose_label: str
    consents: tuple[UUID, ...] = Field(description="the consents that this disclosure rests on")
    state: Literal["unread", "read", "handled"]


class InboxPage(_Shape):
    """Newest first. `next` is an opaque place to go on from; null when there is nothing more to be shown."""

    items: tuple[InboxItem, ...]
    next: str | None


class InboxQuery(_Shape):
    """What a reader may ask of a list. Unread and read together unless `state` says otherwise."""

    state: Literal["unread", "read", "handled"] | None = None
    case_reference: CaseReference | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX), DECIMAL] = PAGE_DEFAULT
    cursor: str | None = Field(default=None, max_length=CURSOR_CHARS_MAX)
    language: Literal["da", "en"] = "da"
