"""Key sets from elsewhere: what cannot be used is skipped and counted, never the end of the set (RFC 7517 §5).

1. A key is used when it has a name (`kid`), is for verifying (`use`, `key_ops`), and is of a kind that our algorithms
   need and a size that is safe; everything about it must be well formed, so that nothing fails later.
2. A document that is no key set, or has no usable key, is no answer: whoever had keys before keeps them.
3. Reading is bounded in bytes and in time, and follows no redirect: keys come from the address that we were told.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import httpx2
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc import jwk

from libs.common.http.problems import UnavailableError
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import UNUSABLE_KEYS

KEYS_FRESH_S = 300  # a withdrawn key is forgotten within this
KEYS_STALE_S = 3600  # and this long known keys serve while the issuer is away
REFETCH_S = 10
REFETCH_AFTER_FAILURE_S = 1  # while there are no keys at all; else an issuer that hangs would hold every call
FETCH_TIMEOUT_S = 5.0  # of one document, all of it
SET_BYTES_MAX = 256 * 1024
KEYS_MAX = 100  # of one set; what comes after is skipped
KID_CHARACTERS_MAX = 255
RSA_BITS = range(2048, 8192 + 1)  # below it is weak (RFC 7518 §3.3), above it a signature takes too long
EXPONENT_CHARACTERS_MAX = 6  # base64url of 32 bits

KINDS: Mapping[tuple[str, str], Literal["EC", "OKP", "RSA"]] = {
    ("EC", "P-256"): "EC",
    ("OKP", "Ed25519"): "OKP",
    ("RSA", ""): "RSA",
}
_log = get_logger()

KeySet = Mapping[str, tuple[jwk.Key, ...]]


class KeySetError(Exception):
    """The document is no key set, or holds no key that can be used."""


def usable_keys(document: object, *, reader: str = "issuer") -> KeySet:
    """The keys of a JWK set by `kid`; several may share one. Raises KeySetError. What is skipped is counted."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise KeySetError("no list of keys")
    found: dict[str, tuple[jwk.Key, ...]] = {}
    skipped = max(0, len(entries) - KEYS_MAX)
    for entry in entries[:KEYS_MAX]:
        key = _usable(entry)
        if key is None:
            skipped += 1
        else:
            found[entry["kid"]] = (*found.get(entry["kid"], ()), key)
    if skipped:
        UNUSABLE_KEYS.labels(reader).inc(skipped)
        _log.warning("keys_skipped", count=skipped)
    if not found:
        raise KeySetError("no usable key")
    return found


def _usable(entry: object) -> jwk.Key | None:
    """The public key in one member of a set, or None when it is not one that we use."""
    if not isinstance(entry, dict) or not _is_for_verifying(entry):
        return None
    kty, curve = entry.get("kty"), entry.get("crv", "")
    kind = KINDS.get((kty, curve)) if isinstance(kty, str) and isinstance(curve, str) else None
    if kind is None or not _is_name(entry.get("kid")):
        return None
    members = {name: value for name, value in entry.items() if name in {"kty", "crv", "x", "y", "n", "e", "kid", "alg"}}
    try:
        key = jwk.import_key(members, kind)
        public = key.public_key
    except Exception:  # noqa: BLE001 - whatever a library says about foreign bytes, the key is of no use
        return None
    if isinstance(public, RSAPublicKey):
        sane = public.key_size in RSA_BITS and len(entry["e"]) <= EXPONENT_CHARACTERS_MAX
        return key if sane else None
    return key


def _is_for_verifying(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops")
    fits = operations is None or (isinstance(operations, list) and "verify" in operations)
    return fits and entry.get("use") in (None, "sig") and isinstance(entry.get("alg"), str | None)


def _is_name(kid: object) -> bool:
    return isinstance(kid, str) and 0 < len(kid) <= KID_CHARACTERS_MAX


async def fetch(client: httpx2.AsyncClient, url: str, timeout_s: float) -> bytes:
    """What is at `url`. Raises httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, or KeySetError when too large."""
    async with asyncio.timeout(timeout_s), client.stream("GET", url, follow_redirects=False) as response:
        response.raise_for_status()
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > SET_BYTES_MAX:
                raise KeySetError("too large")
    return bytes(content)


class IssuerKeys:
    """One issuer's public keys, by `kid`. `jwks_url` None: found by discovery.

    An unknown `kid` fetches the keys anew, at most once per REFETCH_S, so that rotation works and a flood of invented
    ids does not reach the issuer.
    """

    def __init__(
        self, issuer_url: str, jwks_url: str | None, *, client: httpx2.AsyncClient, clock: Callable[[], float]
    ) -> None:
        self._issuer_url = issuer_url
        self._jwks_url = jwks_url
        self._client = client
        self._clock = clock
        self._keys: KeySet = {}
        self._fetched = float("-inf")
        self._next_fetch = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> Sequence[jwk.Key]:
        """The keys of that name, none for an unknown one. Raises UnavailableError without keys to judge by."""
        if not self._serves(kid, KEYS_FRESH_S):
            async with self._lock:  # one fetch at a time: those who waited look again first
                if not self._serves(kid, KEYS_FRESH_S) and self._clock() >= self._next_fetch:
                    await self._refresh()
        if self._clock() - self._fetched > KEYS_STALE_S:
            raise UnavailableError
        return self._keys.get(kid, ())

    def _serves(self, kid: str, age_s_max: float) -> bool:
        return kid in self._keys and self._clock() - self._fetched <= age_s_max

    async def _refresh(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched = self._clock()
            self._next_fetch = self._fetched + REFETCH_S
        except (httpx2.HTTPError, httpx2.InvalidURL, KeySetError, OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("issuer_keys_unavailable", error=type(error).__name__)
            self._next_fetch = self._clock() + (REFETCH_S if self._keys else REFETCH_AFTER_FAILURE_S)

    async def _fetch(self) -> KeySet:
        url = self._jwks_url or await self._discover()
        return usable_keys(orjson.loads(await fetch(self._client, url, FETCH_TIMEOUT_S)))

    async def _discover(self) -> str:
        """OpenID Connect Discovery §4.3: the document must be the issuer's own."""
        url = self._issuer_url.rstrip("/") + "/.well-known/openid-configuration"
        document = orjson.loads(await fetch(self._client, url, FETCH_TIMEOUT_S))
        if document["issuer"] != self._issuer_url:
            raise ValueError("another issuer's document")
        return str(document["jwks_uri"])
