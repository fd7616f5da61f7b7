"""Proofs that a leaf is in a tree, and that one tree continues another (RFC 6962 §2.1.1–2.1.2).

Building follows the recursive definition and says which subtrees it needs; it never sees the leaves. Verifying
follows the iterative algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2 with hashing of its own: the two share no code, so
that an error in one is found by the other.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from services.audit.model.errors import ProofError
from services.audit.tree.tree import Node, fold, peaks_of

Span = tuple[int, int]  # the leaves from the first up to, not including, the second


# --- building ---------------------------------------------------------------------------------------------------------


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees of an inclusion proof, from the leaf upwards. Raises ValueError when index is not below size."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in this tree")
    spans: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        spans.append((middle, end) if index < middle else (start, middle))
        start, end = (start, middle) if index < middle else (middle, end)
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """The subtrees of a consistency proof, from the lowest upwards. Raises ValueError unless 1 ≤ old ≤ new."""
    if not 1 <= old <= new:
        raise ValueError("no proof between these sizes")
    spans: list[Span] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start, whole = middle, False
    return spans[::-1] if whole else [(start, end), *spans[::-1]]


def needed_nodes(spans: Sequence[Span]) -> list[Node]:
    """The complete subtrees from which the hashes of `spans` are made."""
    return [node for span in spans for node in peaks_of(*span)]


def hashes_of(spans: Sequence[Span], nodes: Mapping[Node, bytes]) -> list[bytes]:
    """The proof: one hash per span. Raises KeyError when a node is missing."""
    return [fold([nodes[node] for node in peaks_of(*span)]) for span in spans]


def _split(width: int) -> int:
    """The largest power of two below `width`, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)


# --- verifying: shares nothing with the above -------------------------------------------------------------------------


def verify_inclusion(leaf: bytes, index: int, size: int, *, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ProofError unless `leaf` (a leaf hash) is leaf `index` of the tree of `size` leaves with this `root`."""
    _require_hashes([leaf, root, *proof])
    if not 0 <= index < size:
        raise ProofError("index_beyond_tree")
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("proof_too_long")
        if position & 1 or position == last:
            computed = _inner(sibling, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = _inner(computed, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("proof_too_short")
    _require_equal(computed, root)


def verify_consistency(old: int, new: int, *, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raises ProofError unless the tree of `new` leaves begins with the `old` leaves of the older tree."""
    _require_hashes([old_root, new_root, *proof])
    if not 1 <= old <= new:
        raise ProofError("sizes_out_of_order")
    if old == new:
        if proof:
            raise ProofError("proof_too_long")
        return _require_equal(old_root, new_root)
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise ProofError("proof_too_short")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    return _climb(path, position, last, roots=(old_root, new_root))


def _climb(path: list[bytes], position: int, last: int, *, roots: tuple[bytes, bytes]) -> None:
    """Steps 5 to 8 of RFC 9162 §2.1.4.2: compute both roots on the way up."""
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("proof_too_long")
        if position & 1 or position == last:
            old_computed, new_computed = _inner(sibling, old_computed), _inner(sibling, new_computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_computed = _inner(new_computed, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("proof_too_short")
    _require_equal(old_computed, roots[0])
    _require_equal(new_computed, roots[1])


def _inner(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _require_hashes(values: Sequence[bytes]) -> None:
    if any(len(value) != hashlib.sha256().digest_size for value in values):
        raise ProofError("hash_length")


def _require_equal(computed: bytes, claimed: bytes) -> None:
    if not hmac.compare_digest(computed, claimed):
        raise ProofError("root_mismatch")
