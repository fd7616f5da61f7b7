"""The keys of persons, and the openings under them: what is deleted when a person is to be forgotten.

1. A person (a citizen, or a member of staff in their own right) has a random key; the database holds it wrapped.
2. It is found by a keyed hash, so that a copy of the database alone does not tell who is in it.
3. An opening is bound to its log, leaf and key: moved to another row it does not decrypt.
"""

import hmac
import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.audit.leaves.entry import Person

KEY_BYTES = 32
NONCE_BYTES = 12

Opened = dict[str, tuple[bytes, Any]]  # field → salt, value


class SealError(Exception):
    """An opening or a wrapped key is not what was stored: another key, another leaf, or changed bytes."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A person's key, ready for use. `ref` names it in the database and says nothing about the person."""

    ref: UUID
    cipher: AESGCM = field(repr=False)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A person's key as the database holds it."""

    ref: UUID
    lookup: bytes
    kind: str
    wrapped_dek: bytes


class Sealed(NamedTuple):
    """An encrypted opening."""

    ref: UUID
    nonce: bytes
    ciphertext: bytes


class Vault:
    """Makes, wraps and unwraps the keys of persons. `kek` and `index` are 32 secret bytes each."""

    def __init__(self, kek: bytes, index: bytes) -> None:
        if len(kek) != KEY_BYTES or len(index) != KEY_BYTES or hmac.compare_digest(kek, index):
            raise ValueError("two different keys of 32 bytes are needed")
        self._kek = AESGCM(kek)
        self._index = index

    @classmethod
    def load(cls, secrets_dir: Path) -> "Vault":
        """From `subject-keys.json`. Raises OSError, KeyError or ValueError when it is not there or not whole."""
        stored = orjson.loads((secrets_dir / "subject-keys.json").read_bytes())
        return cls(b64decode(stored["kek"], validate=True), b64decode(stored["index"], validate=True))

    def lookup(self, person: Person) -> bytes:
        """By what a person's key is found: 32 bytes, meaningless without the index key."""
        message = person.kind.encode() + b"\0" + person.name.encode()
        return hmac.digest(self._index, message, "sha256")

    def new_key(self, person: Person) -> WrappedKey:
        """A fresh random key for `person`, wrapped."""
        ref, nonce = uuid4(), os.urandom(NONCE_BYTES)
        wrapped = nonce + self._kek.encrypt(nonce, os.urandom(KEY_BYTES), ref.bytes)
        return WrappedKey(ref, self.lookup(person), person.kind, wrapped)

    def unwrap(self, ref: UUID, wrapped_dek: bytes) -> PersonKey:
        """The key that was wrapped for `ref`. Raises SealError."""
        nonce, ciphertext = wrapped_dek[:NONCE_BYTES], wrapped_dek[NONCE_BYTES:]
        try:
            return PersonKey(ref, AESGCM(self._kek.decrypt(nonce, ciphertext, ref.bytes)))
        except (InvalidTag, ValueError):
            raise SealError("wrapped_key") from None


def seal(key: PersonKey, secrets: Opened, *, log: str, leaf_id: bytes) -> Sealed:
    """Encrypt the openings of one leaf that belong to one person."""
    nonce = os.urandom(NONCE_BYTES)
    plain = orjson.dumps({name: [salt.hex(), value] for name, (salt, value) in secrets.items()})
    return Sealed(key.ref, nonce, key.cipher.encrypt(nonce, plain, _bound_to(key.ref, log, leaf_id)))


def unseal(key: PersonKey, sealed: Sealed, *, log: str, leaf_id: bytes) -> Opened:
    """The openings in `sealed`. Raises SealError when it was sealed for another leaf, log or person, or changed."""
    try:
        plain = key.cipher.decrypt(sealed.nonce, sealed.ciphertext, _bound_to(key.ref, log, leaf_id))
    except (InvalidTag, ValueError):
        raise SealError("opening") from None
    stored: Mapping[str, tuple[str, Any]] = orjson.loads(plain)
    return {name: (bytes.fromhex(salt), value) for name, (salt, value) in stored.items()}


def _bound_to(ref: UUID, log: str, leaf_id: bytes) -> bytes:
    return log.encode() + b"\0" + leaf_id + ref.bytes
