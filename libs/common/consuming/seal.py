"""What an operator alone may read, sealed by those who may not, and what an operator alone may say, signed.

Rules: HPKE (RFC 9180; X25519, HKDF-SHA256, AES-256-GCM) to the newest encryption key of a public JWK set (RFC 7517); a
service holds no private half, so it can seal and never open. Statements are JWS (RFC 7515) with Ed25519 (RFC 9864).
Keys are named by `kid`: an older key opens what was sealed to it for as long as the operator keeps it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

SIGNING: Final = "Ed25519"
_SEALING: Final = "X25519"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealError(Exception):
    """A key set that cannot be used, or a seal or signature that does not hold. The text names no content."""


class Keys:
    """The operator's keys: the public half in every service, the private half with the operator."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """`document`: a JWK set with at least one key of each kind, the newest last. Raises `SealError`."""
        try:
            keys = KeySet.import_key_set(document).keys  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise SealError("not a JWK set") from error
        usable = [key for key in keys if isinstance(key, OKPKey) and key.kid]
        self._sealing = [key for key in usable if key.get("crv") == _SEALING]
        self._signing = [key for key in usable if key.get("crv") == SIGNING]
        if not self._sealing or not self._signing:
            raise SealError("a key of each kind, X25519 and Ed25519, is needed")

    @classmethod
    def read(cls, path: Path) -> "Keys":
        """From a file. Raises `SealError` naming the file, also when it is not there."""
        try:
            return cls(orjson.loads(path.read_bytes()))
        except (OSError, ValueError, SealError) as error:
            raise SealError(f"{path.name}: no usable keys ({error})") from None

    @property
    def key_id(self) -> str:
        """The key that seals."""
        return str(self._sealing[-1].kid)

    def seal(self, content: bytes, context: bytes) -> bytes:
        """`content` for the operator; it opens with the same `context` only."""
        return _SUITE.encrypt(content, cast(X25519PublicKey, self._sealing[-1].public_key), context)

    def open(self, sealed: bytes, context: bytes, key_id: str) -> bytes:
        """What was sealed. Raises `SealError` without the private half of `key_id`, or when it does not hold."""
        found = [key for key in self._sealing if key.kid == key_id and key.is_private]
        if not found:
            raise SealError(f"the private half of key {key_id} is not here")
        try:
            return _SUITE.decrypt(sealed, cast(X25519PrivateKey, found[0].private_key), context)
        except (InvalidTag, ValueError) as error:
            raise SealError("what is sealed was changed") from error

    def sign(self, statement: Mapping[str, str]) -> str:
        """A compact JWS over `statement` by the newest signing key. Raises `SealError` without its private half."""
        key = self._signing[-1]
        if not key.is_private:
            raise SealError("the private half of the signing key is not here")
        return jws.serialize_compact({"alg": SIGNING, "kid": key.kid}, orjson.dumps(statement), key, [SIGNING])

    def verify(self, signed: str) -> dict[str, str]:
        """The statement in a compact JWS. Raises `SealError`."""
        try:
            found: object = orjson.loads(jws.deserialize_compact(signed, KeySet(self._signing), [SIGNING]).payload)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise SealError("not signed by the operator") from error
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise SealError("not a statement")
        return found


def new_keys() -> dict[str, Any]:
    """A private JWK set of one new key of each kind, named by thumbprint (RFC 7638)."""
    keys = [
        OKPKey.generate_key("X25519", {"use": "enc"}, auto_kid=True),
        OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True),
    ]
    return dict(KeySet(keys).as_dict(private=True))  # type: ignore[arg-type]


def public_half(document: Mapping[str, Any]) -> dict[str, Any]:
    """The JWK set without anything private."""
    return {"keys": [{name: value for name, value in key.items() if name != "d"} for key in document["keys"]]}
