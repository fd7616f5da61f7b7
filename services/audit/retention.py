"""How long each table of the audit database keeps its rows. docs/retention.md is made from this."""

from typing import Final

from libs.common.running.retention import COMMON, Kept, Retention

_TREE: Final = (
    "The log is append-only: a leaf that is gone could be proved by nobody. It holds no personal data in clear."
)

RETENTION: Final[Retention] = {
    **COMMON,
    "batch": Kept(_TREE),
    "checkpoint": Kept(_TREE),
    "leaf": Kept(_TREE),
    "log_key": Kept(_TREE),
    "opening": Kept(
        "What a leaf says about a person, under the person's key; erased with it, by the eraser's role alone."
    ),
    "subject_key": Kept("A person's key: its erasure makes every opening of the person unreadable."),
    "subtree": Kept(_TREE),
    "watermark": Kept(_TREE),
}
