"""What the HTTP door answers: readable alone. Hashes and raw leaves are base64 (RFC 4648 §4), times RFC 3339 in UTC."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.cursors import CURSOR_CHARS_MAX
from libs.common.identifiers import Identity, Uuid
from libs.common.values import DECIMAL, Moment

ENTRIES_MAX = 200  # a page of opened entries

Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
Index = Annotated[int, Field(ge=0, le=2**53 - 1)]
Cursor = Annotated[str, Field(max_length=CURSOR_CHARS_MAX)]
EntryType = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=80)]


class Answer(BaseModel):
    """Frozen, and nothing beyond what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class LogKeyAnswer(Answer):
    """The key that checkpoints verify under (C2SP vkey)."""

    origin: str
    vkey: str


class RawLeaf(Answer):
    """The exact bytes that were hashed."""

    index: Index
    leaf: Base64


class Leaves(Answer):
    """A page of the log. `next`: the `from` of the next page."""

    size: Index
    leaves: list[RawLeaf]
    next: Index | None


class BatchAnswer(Answer):
    """One append: from `prev_size` to `tree_size` leaves. The empty tree has no predecessor."""

    tree_size: Index
    prev_size: Index | None
    root: Base64
    recorded_at: str


class Batches(Answer):
    """A page of appends."""

    batches: list[BatchAnswer]
    next: Index | None


class InclusionAnswer(Answer):
    """A leaf, and its way to the root of a signed checkpoint (RFC 6962 §2.1.1)."""

    index: Index
    tree_size: Index
    root: Base64
    leaf: Base64
    proof: list[Base64]
    checkpoint: str


class ConsistencyAnswer(Answer):
    """That the larger tree begins with the smaller (RFC 6962 §2.1.2)."""

    from_size: Annotated[int, Field(serialization_alias="from")]
    to_size: Annotated[int, Field(serialization_alias="to")]
    from_root: Base64
    to_root: Base64
    proof: list[Base64]


class MissingNumbers(Answer):
    """Numbers `first` to `last` have not come since `since`. `reported`: there is a `gap.opened` leaf for them."""

    first: Index
    last: Index
    since: str
    reported: bool


class LaneAnswer(Answer):
    """What has come of one lane."""

    producer: str
    generation: Index
    lane: Index
    highest: Index
    missing: list[MissingNumbers]


class Completeness(Answer):
    """Every lane that ever had a number."""

    lanes: list[LaneAnswer]


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
