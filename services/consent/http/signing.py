"""Signs: receipts (P5) as compact JWS, Ed25519, over RFC 8785 canonical JSON; and the citizen's own access tokens.

1. A payload is canonical before it is signed, so anyone who rebuilds it gets the same bytes.
2. The last key of the set signs; the others stay in the JWKS, so an old receipt is verifiable for ever.
3. The private part of a key never leaves this object.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import rfc8785
from joserfc import jws
from joserfc.jwk import OKPKey

ALGORITHM = "Ed25519"
RECEIPT_TYPE = "samtykkebro-receipt+jws"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type of RFC 9068


class ReceiptKeysError(Exception):
    """The key file does not hold a set of private Ed25519 keys, each with a `kid`."""


def canonical(value: Mapping[str, Any]) -> bytes:
    """RFC 8785 canonical JSON, UTF-8."""
    return rfc8785.dumps(dict(value))


def fingerprint(content: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return sha256(content).hexdigest()


def content_of(jws: str) -> dict[str, Any]:
    """The payload of a receipt of ours, read back; nothing is verified."""
    payload = jws.split(".")[1]
    content: dict[str, Any] = orjson.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return content


@dataclass(frozen=True)
class Signer:
    """Signs as `issuer` (this service's public address) with the last of `keys`."""

    keys: tuple[OKPKey, ...]
    issuer: str

    @classmethod
    def from_file(cls, path: Path, issuer: str) -> "Signer":
        """Read a private JWK set. Raises ReceiptKeysError."""
        try:
            entries = orjson.loads(path.read_bytes())["keys"]
            keys = tuple(OKPKey.import_key(entry) for entry in entries)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReceiptKeysError("the receipt key file cannot be read") from error
        if not keys or not all(key.is_private and key.kid and key.as_dict().get("crv") == ALGORITHM for key in keys):
            raise ReceiptKeysError("the receipt key file must hold private Ed25519 keys, each with a kid")
        return cls(keys, issuer)

    def receipt(self, payload: Mapping[str, Any]) -> str:
        """The compact JWS over the canonical payload."""
        return self._sign(RECEIPT_TYPE, canonical(payload))

    def access_token(self, claims: Mapping[str, Any]) -> str:
        """An RFC 9068 access token with these claims and our issuer."""
        return self._sign(TOKEN_TYPE, canonical({**claims, "iss": self.issuer}))

    def jwks(self) -> dict[str, Any]:
        """The public keys, the retired ones too."""
        keys = [key.as_dict(private=False) for key in self.keys]
        return {"keys": [{**key, "use": "sig", "alg": ALGORITHM} for key in keys]}

    def _sign(self, kind: str, content: bytes) -> str:
        key = self.keys[-1]
        header = {"alg": ALGORITHM, "typ": kind, "kid": key.kid}
        return jws.serialize_compact(header, content, key, algorithms=[ALGORITHM])
