"""Reads a signed checkpoint (C2SP signed-note and tlog-checkpoint) and checks its signature against a key one trusts.

Rules: an unknown signature is ignored, a known key whose signature fails refuses the whole note. The signature covers
the text up to and including the newline before the empty line.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519 = b"\x01"
_NOTE_CHARACTERS_MAX = 100_000


class NoteError(Exception):
    """The note or the key is malformed, or the signature does not hold; the text is the reason."""


class NoteFormError(NoteError):
    """The text is no signed note: nothing is said about whether one holds."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log has signed: its name, how many leaves, and the 32-byte root over them."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A log's public key: `name+hex(key id)+base64(0x01 || 32 bytes)`."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises NoteError when the text is no key, or its id is not the hash of its name and bytes."""
        try:
            name, key_id, encoded = text.strip().split("+", 2)
            key = base64.b64decode(encoded, validate=True)
            told = bytes.fromhex(key_id)
        except (ValueError, binascii.Error) as error:
            raise NoteError("the log's key is not a note verifier key") from error
        if len(key) != 33 or key[:1] != _ED25519 or told != hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]:
            raise NoteError("the log's key does not match its own id")
        return cls(name, told, key[1:])


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a signed note that `key` has signed. Raises NoteError, NoteFormError where it is no note."""
    text, gap, signatures = note.partition("\n\n")
    if not gap or len(note) > _NOTE_CHARACTERS_MAX:
        raise NoteFormError("the checkpoint is not a signed note")
    _check_signature(f"{text}\n".encode(), signatures.splitlines(), key)
    lines = text.split("\n")
    try:
        origin, size, root = lines[0], lines[1], base64.b64decode(lines[2], validate=True)
    except (IndexError, binascii.Error) as error:
        raise NoteError("the checkpoint does not hold an origin, a size and a root") from error
    if origin != key.name or not size.isascii() or not size.isdecimal() or str(int(size)) != size or len(root) != 32:
        raise NoteError("the checkpoint's origin, size or root is not what a checkpoint of this log holds")
    return Checkpoint(origin, int(size), root)


def _check_signature(signed: bytes, lines: list[str], key: VerifierKey) -> None:
    ours = [found for found in map(_signature, lines) if found[0] == key.name and found[1][:4] == key.key_id]
    if not ours:
        raise NoteError(f"the checkpoint is not signed by {key.name}")
    for _, signature in ours:
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature[4:], signed)
        except InvalidSignature as error:
            raise NoteError(f"the signature of {key.name} on the checkpoint does not hold") from error


def _signature(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    try:
        dash, name, encoded = parts
        decoded = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise NoteFormError("a signature line of the checkpoint is malformed") from error
    if dash != "—" or len(decoded) < 5:
        raise NoteFormError("a signature line of the checkpoint is malformed")
    return name, decoded
