"""RFC 6962 §2.1: hashing leaves and nodes, and a tree that only grows.

The empty tree is SHA-256 of nothing, a leaf SHA-256(0x00 ‖ bytes), a node SHA-256(0x01 ‖ left ‖ right); a tree of n
leaves splits at the largest power of two below n. The two prefixes keep a node from being passed off as a leaf.
A node is named (height, position): it covers the leaves position·2^height up to (position+1)·2^height.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Node = tuple[int, int]  # (height, position) of a complete subtree

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
SUBTREE_HEIGHT = 8  # complete subtrees of 256, 65,536, … leaves are kept, so that a proof reads few rows


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf's exact bytes."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees beside each other."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed to append: the roots of the complete subtrees of a tree, largest first.

    One per bit that is set in `size`. Raises ValueError when they do not fit.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count() or any(len(p) != HASH_BYTES for p in self.peaks):
            raise ValueError("the peaks do not fit the size")

    @property
    def root(self) -> bytes:
        """The root of the whole tree."""
        return fold(self.peaks)

    def extend(self, leaves: Iterable[bytes]) -> tuple["Frontier", dict[Node, bytes]]:
        """Append leaf hashes. Returns the new frontier, and the complete subtrees of SUBTREE_HEIGHT·k that closed."""
        peaks, size = list(self.peaks), self.size
        closed: dict[Node, bytes] = {}
        for leaf in leaves:
            current, height, complete = leaf, 0, size
            while complete & 1:
                current = node_hash(peaks.pop(), current)
                height, complete = height + 1, complete >> 1
                if height % SUBTREE_HEIGHT == 0:
                    closed[height, complete] = current
            peaks.append(current)
            size += 1
        return Frontier(size, tuple(peaks)), closed


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over complete subtrees that stand beside each other, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def peaks_of(start: int, end: int) -> list[Node]:
    """The complete subtrees, largest first, that make up the leaves `start` up to `end`.

    `start` must be a multiple of the largest power of two in `end - start`, as it is for every subtree of a proof.
    """
    nodes: list[Node] = []
    while start < end:
        height = (end - start).bit_length() - 1
        nodes.append((height, start >> height))
        start += 1 << height
    return nodes


def base_of(node: Node) -> tuple[int, range]:
    """What `node` is computed from: a kept level (0 = leaf hashes, k = subtrees of 256^k) and positions there."""
    height, position = node
    level, above = divmod(height, SUBTREE_HEIGHT)
    return level, range(position << above, (position + 1) << above)


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes of one height."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def nodes_from(wanted: Iterable[Node], kept: Mapping[tuple[int, int], bytes]) -> dict[Node, bytes]:
    """The hashes of `wanted`, computed from kept (level, position) hashes. Raises KeyError when one is missing."""
    found: dict[Node, bytes] = {}
    for node in wanted:
        level, positions = base_of(node)
        found[node] = complete_root([kept[level, position] for position in positions])
    return found
