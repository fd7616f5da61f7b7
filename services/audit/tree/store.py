"""Reading the tree: leaves, batches, and the subtrees that proofs are made of. Everything here is append-only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.database.database import Session
from services.audit.tree.proof import Span, hashes_of, needed_nodes
from services.audit.tree.tree import Node, base_of, fold, nodes_from, peaks_of

_SIZE = "SELECT max(tree_size) FROM batch"
_LEAVES = "SELECT leaf_index, body FROM leaf WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index"
_BATCHES = "SELECT tree_size, prev_size, root, recorded_at FROM batch WHERE tree_size >= $1 ORDER BY tree_size LIMIT $2"
_LEAF_HASHES = "SELECT leaf_index, leaf_hash FROM leaf WHERE leaf_index = ANY($1::bigint[])"
_SUBTREES = "SELECT position, root FROM subtree WHERE level = $1 AND position = ANY($2::bigint[])"


@dataclass(frozen=True, slots=True)
class Batch:
    """One append: the tree it made, and the size it made it from (None for the empty tree)."""

    tree_size: int
    prev_size: int | None
    root: bytes
    recorded_at: datetime


async def load_size(session: Session) -> int:
    """How many leaves there are."""
    return int((await session.exec_driver_sql(_SIZE)).scalar_one())


async def load_bodies(session: Session, start: int, end: int) -> list[tuple[int, bytes]]:
    """Index and exact bytes of the leaves from `start` up to, not including, `end`."""
    rows = await session.exec_driver_sql(_LEAVES, (start, end))
    return [(row.leaf_index, row.body) for row in rows]


async def load_batches(session: Session, smallest: int, limit: int) -> list[Batch]:
    """Batches of size `smallest` and up, ascending."""
    rows = await session.exec_driver_sql(_BATCHES, (smallest, limit))
    return [Batch(row.tree_size, row.prev_size, row.root, row.recorded_at) for row in rows]


async def load_nodes(session: Session, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """The hashes of complete subtrees: from at most 510 rows a level. Raises KeyError when a row is missing."""
    nodes = list(wanted)
    positions: dict[int, set[int]] = {}
    for node in nodes:
        level, needed = base_of(node)
        positions.setdefault(level, set()).update(needed)
    kept: dict[tuple[int, int], bytes] = {}
    for level, needed_here in positions.items():
        if level == 0:
            rows = await session.exec_driver_sql(_LEAF_HASHES, (list(needed_here),))
            kept |= {(0, row.leaf_index): row.leaf_hash for row in rows}
        else:
            rows = await session.exec_driver_sql(_SUBTREES, (level, list(needed_here)))
            kept |= {(level, row.position): row.root for row in rows}
    return nodes_from(nodes, kept)


async def load_peaks(session: Session, size: int) -> tuple[bytes, ...]:
    """The complete subtrees of the tree of `size` leaves, largest first, from what is kept of them."""
    wanted = peaks_of(0, size)
    nodes = await load_nodes(session, wanted)
    return tuple(nodes[node] for node in wanted)


async def load_root(session: Session, size: int) -> bytes:
    """The root of the tree of the first `size` leaves, whether or not a batch ended there."""
    return fold(await load_peaks(session, size))


async def load_proof(session: Session, spans: Sequence[Span]) -> list[bytes]:
    """The hashes of a proof made of `spans` (`proof.py`)."""
    return hashes_of(spans, await load_nodes(session, needed_nodes(spans)))
