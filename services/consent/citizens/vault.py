"""Keeps CPR numbers: a keyed hash to find a citizen by, and an encrypted form to show it again (R29).

1. Look-up: HMAC-SHA-256 with a secret key. A plain hash would be broken in seconds: there are too few numbers.
2. Encryption: AES-256-GCM, a fresh nonce each time, the citizen's id as associated data, so rows cannot be swapped.
3. Both carry the version of their key. The active version writes; every version reads, so that keys can be changed.
"""

import base64
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.consent.model.cpr import Cpr

KEY_BYTES = 32
NONCE_BYTES = 12


class VaultError(Exception):
    """The key file is not as it must be, or a stored number cannot be opened with the keys at hand."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A number as it is stored: nonce and ciphertext together, and the key's version."""

    ciphertext: bytes
    key_version: str


@dataclass(frozen=True)
class Vault:
    """The keys by version; `active` is the version that writes."""

    lookup_keys: Mapping[str, bytes] = field(repr=False)
    encryption_keys: Mapping[str, bytes] = field(repr=False)
    active: str

    @classmethod
    def from_file(cls, path: Path) -> "Vault":
        """Read `cpr-keys.json`. Raises VaultError."""
        try:
            document = orjson.loads(path.read_bytes())
            lookup, encryption = _keys(document["lookup"]), _keys(document["encryption"])
            active = str(document["active"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VaultError("the CPR key file cannot be read") from error
        if active not in lookup or active not in encryption:
            raise VaultError("the active version must have both keys")
        return cls(lookup, encryption, active)

    def lookup(self, cpr: Cpr) -> bytes:
        """The hash that new rows are found by."""
        return _hash(self.lookup_keys[self.active], cpr)

    def lookups(self, cpr: Cpr) -> dict[str, bytes]:
        """The hash under every version, the active one first."""
        older = sorted((version for version in self.lookup_keys if version != self.active), reverse=True)
        return {version: _hash(self.lookup_keys[version], cpr) for version in (self.active, *older)}

    def fingerprints(self, text: str) -> tuple[str, ...]:
        """Keyed hashes of what may hold a number, under every version's key, the active one's first.

        Without the keys nobody can try numbers against one (R29). The first is to be stored; any is the same text.
        """
        older = sorted((version for version in self.lookup_keys if version != self.active), reverse=True)
        keys = [self.lookup_keys[version] for version in (self.active, *older)]
        return tuple(hmac.new(key, text.encode(), sha256).hexdigest() for key in keys)

    def seal(self, cpr: Cpr, borger_id: UUID) -> Sealed:
        """Encrypt for one citizen's row."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = AESGCM(self.encryption_keys[self.active])
        return Sealed(nonce + cipher.encrypt(nonce, cpr.digits.encode(), borger_id.bytes), self.active)

    def open(self, sealed: Sealed, borger_id: UUID) -> str:
        """The ten digits of one citizen's row. Raises VaultError for another row's, another key's or a changed one."""
        key = self.encryption_keys.get(sealed.key_version)
        if key is None:
            raise VaultError("no key of that version")
        nonce, content = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, content, borger_id.bytes).decode()
        except InvalidTag as error:
            raise VaultError("the stored number does not open") from error


def _keys(document: Mapping[str, str]) -> dict[str, bytes]:
    keys = {str(version): base64.b64decode(text, validate=True) for version, text in document.items()}
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise ValueError("keys are 32 bytes")
    return keys


def _hash(key: bytes, cpr: Cpr) -> bytes:
    return hmac.digest(key, cpr.digits.encode(), sha256)
