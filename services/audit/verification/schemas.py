"""What the doors of verification answer: keys, leaves, batches, proofs, completeness."""

from typing import Annotated

from pydantic import Field

from services.audit.model.shapes import Answer, Base64, Index


class LogKeyAnswer(Answer):
    """The key that checkpoints verify under (C2SP vkey)."""

    origin: str
    vkey: str


class RawLeaf(Answer):
    """The exact bytes that were hashed."""

    index: Index
    leaf: Base64


class LeafPage(Answer):
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


class BatchPage(Answer):
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
