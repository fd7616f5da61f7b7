"""A checkpoint: which log, how many leaves, which root. Its text is what is signed (C2SP).

1. The text (tlog-checkpoint) is three lines, `origin`, `size` in decimal without leading zeros, `root` in base64, each
   ended by a newline. Extension lines are refused: a monitor could not tell what they promise.
2. A note (signed-note) is the text, an empty line, and signature lines `— name base64(key id ‖ signature)`.
3. A checkpoint may only follow one that it contains: a smaller tree, or another root at the same size, never does.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from services.audit.model.errors import CheckpointError
from services.audit.tree.tree import HASH_BYTES

ED25519 = b"\x01"  # the signature type of signed-note
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One tree head. `origin` is the log's name, `root` 32 bytes."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The signed text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `key_id` is 4 bytes."""

    name: str
    key_id: bytes
    signature: bytes


def key_id(name: str, public_key: bytes) -> bytes:
    """The first 4 bytes of SHA-256(name ‖ newline ‖ type ‖ key): a hint which key signed."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    """The key as one line (a vkey), to be handed to whoever is to verify. `public_key` is 32 raw bytes."""
    return f"{name}+{key_id(name, public_key).hex()}+{base64.b64encode(ED25519 + public_key).decode()}"


def note(checkpoint: Checkpoint, signatures: tuple[Signature, ...]) -> str:
    """The signed note."""
    lines = [f"{_DASH}{s.name} {base64.b64encode(s.key_id + s.signature).decode()}\n" for s in signatures]
    return checkpoint.text() + "\n" + "".join(lines)


def parse_note(text: str) -> tuple[Checkpoint, tuple[Signature, ...]]:
    """The parts of a note, its signatures unchecked. Raises CheckpointError."""
    body, separator, tail = text.partition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise CheckpointError("not_a_note")
    signatures = tuple(_signature(line) for line in tail.removesuffix("\n").split("\n"))
    return parse_text(body + "\n"), signatures


def parse_text(text: str) -> Checkpoint:
    """The checkpoint that `text` states, and states in this one form. Raises CheckpointError."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not (lines[1].isascii() and lines[1].isdigit()):
        raise CheckpointError("not_a_checkpoint")
    root = _decoded(lines[2])
    checkpoint = Checkpoint(lines[0], int(lines[1]), root)
    if len(root) != HASH_BYTES or checkpoint.text() != text:
        raise CheckpointError("not_a_checkpoint")
    return checkpoint


def require_follows(new: Checkpoint, old: Checkpoint) -> None:
    """Raises CheckpointError when `new` cannot continue `old`, whatever any proof says."""
    if new.origin != old.origin:
        raise CheckpointError("another_log")
    if new.size < old.size:
        raise CheckpointError("tree_went_backwards")
    if new.size == old.size and new.root != old.root:
        raise CheckpointError("tree_forked")


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    blob = _decoded(encoded)
    if not line.startswith(_DASH) or not space or not name or len(blob) <= 4:
        raise CheckpointError("not_a_signature")
    return Signature(name, blob[:4], blob[4:])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError("not_base64") from None
