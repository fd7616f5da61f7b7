"""RFC 6962 tree hashing for a verifier: it shares no code with the log that it checks.

Rules (RFC 6962 §2.1): a leaf is SHA-256(0x00 || entry), a node SHA-256(0x01 || left || right), the empty tree
SHA-256(""). A tree of n leaves splits at the largest power of two below n.
"""

import hashlib
from collections.abc import Iterable
from typing import Self

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The 32-byte hash of one entry's exact bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows: it keeps the roots of the complete subtrees, largest first, one per bit of `size`."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    @classmethod
    def of(cls, entries: Iterable[bytes]) -> Self:
        """The tree over these entries."""
        tree = cls()
        for entry in entries:
            tree.append(entry)
        return tree

    def append(self, entry: bytes) -> None:
        """Adds the next entry."""
        found, complete = leaf_hash(entry), self.size
        while complete & 1:
            found = node_hash(self._peaks.pop(), found)
            complete >>= 1
        self._peaks.append(found)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The 32-byte root of the tree so far."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found
