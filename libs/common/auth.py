"""Who calls: access tokens in the JWT profile of RFC 9068, checked in this order, each step refusing on its own.

1. Size, form, `typ` at+jwt, and an algorithm from the allow-list (so `none` and HMAC never reach a key).
2. The issuer that the token names must be one we trust, and only *its* keys are tried.
3. The key that `kid` names, of a type and for a use that fit the algorithm; an unknown `kid` fetches the keys
   anew, at most once per REFETCH_S, so that rotation works and a flood of invented ids does not reach the issuer.
4. The signature. 5. Issuer, audience, times (with leeway), subject, client, token id, roles.
6. The form of who and where (`identifiers`), which go on the record as they are: nothing is cut or passed over.

A refusal is a 401 that does not say which step failed. Access is denied by default: a route without `require` is open
only when it is meant to be.
"""

import asyncio
import functools
import hashlib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx2
import orjson
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry
from starlette.requests import Request

from libs.common.identifiers import is_identity, is_unit
from libs.common.log import get_logger
from libs.common.problems import ForbiddenError, UnauthenticatedError, UnavailableError
from libs.common.values import JsonError, strict_json

ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
TOKEN_BYTES_MAX = 8192
KEYS_FRESH_S = 300  # a withdrawn key is forgotten within this
KEYS_STALE_S = 3600  # and this long known keys serve while the issuer is away
REFETCH_S = 10
REFETCH_AFTER_FAILURE_S = 1  # while there are no keys at all; else an issuer that hangs would hold every call
VERIFIED_S_MAX = 60  # a verified token is believed this long without verifying its signature again
VERIFIED_MAX = 4096  # tokens
FETCH_TIMEOUT_S = 5.0

# RFC 9068 §2.2; the issuer is checked before, by choosing its keys.
_ESSENTIAL: dict[str, ClaimsOption] = {name: {"essential": True} for name in ("exp", "iat", "sub", "client_id", "jti")}
_FORMS = {"sub": is_identity, "client_id": is_identity, "unit": is_unit, "host_unit": is_unit}
_log = get_logger()


class InvalidTokenError(Exception):
    """The token is refused. `reason` is a code for our log, never for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `claims` may hold a CPR number (a citizen at consent), so it is left out of the printed form."""

    subject: str
    client_id: str
    roles: frozenset[str]
    unit: str | None
    assurance: str | None
    claims: Mapping[str, Any] = field(repr=False)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Whom to trust: read once a process, since it takes 40 ms."""
    return httpx2.create_ssl_context()


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer whose tokens count. `jwks_url` None: found by discovery. `roles` None: any role may be given."""

    url: str
    jwks_url: str | None = None
    roles: frozenset[str] | None = None


class _Keys:
    """One issuer's public keys, by `kid`."""

    def __init__(self, issuer: TrustedIssuer, client: httpx2.AsyncClient, clock: Callable[[], float]) -> None:
        self.issuer = issuer
        self._client = client
        self._clock = clock
        self._keys: dict[str, jwk.Key] = {}
        self._fetched = float("-inf")
        self._next_fetch = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> jwk.Key:
        """The key; raises InvalidTokenError for an unknown one, UnavailableError without keys to judge by."""
        if not self._serves(kid, KEYS_FRESH_S):
            async with self._lock:  # one fetch at a time: those who waited look again first
                if not self._serves(kid, KEYS_FRESH_S) and self._clock() >= self._next_fetch:
                    await self._refresh()
        if self._clock() - self._fetched > KEYS_STALE_S:
            raise UnavailableError
        if kid not in self._keys:
            raise InvalidTokenError("unknown_key")
        return self._keys[kid]

    def _serves(self, kid: str, age_s_max: float) -> bool:
        return kid in self._keys and self._clock() - self._fetched <= age_s_max

    async def _refresh(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched = self._clock()
            self._next_fetch = self._fetched + REFETCH_S
        except (httpx2.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            _log.warning("issuer_keys_unavailable", error=type(error).__name__)
            self._next_fetch = self._clock() + (REFETCH_S if self._keys else REFETCH_AFTER_FAILURE_S)

    async def _fetch(self) -> dict[str, jwk.Key]:
        url = self.issuer.jwks_url or await self._discover()
        found: dict[str, jwk.Key] = {}
        for entry in (await self._get(url))["keys"]:
            if entry.get("kty") in {"RSA", "EC", "OKP"} and isinstance(entry.get("kid"), str):
                found[entry["kid"]] = jwk.import_key(entry, entry["kty"])
        return found

    async def _discover(self) -> str:
        """OpenID Connect Discovery §4.3: the document must be the issuer's own."""
        document = await self._get(self.issuer.url.rstrip("/") + "/.well-known/openid-configuration")
        if document["issuer"] != self.issuer.url:
            raise ValueError("another issuer's document")
        return str(document["jwks_uri"])

    async def _get(self, url: str) -> Any:
        response = await self._client.get(url)
        response.raise_for_status()
        return orjson.loads(response.content)


class TokenVerifier:
    """Turns a token into a Principal for one audience. Close it with `close`."""

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        audience: str,
        leeway_s: int = 30,
        *,
        client: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client or httpx2.AsyncClient(timeout=FETCH_TIMEOUT_S, verify=_tls())
        self._issuers = {issuer.url: _Keys(issuer, self._client, clock) for issuer in issuers}
        self._leeway_s = leeway_s
        self._clock = clock
        self._claims = JWTClaimsRegistry(
            lambda: int(clock()), leeway_s, aud={"essential": True, "value": audience}, **_ESSENTIAL
        )
        self._verified: dict[bytes, tuple[float, Principal]] = {}

    async def close(self) -> None:
        """Close the connections to the issuers."""
        await self._client.aclose()

    async def verify(self, token: str) -> Principal:
        """Who `token` speaks for. Raises InvalidTokenError, or UnavailableError when no keys can be had."""
        digest = hashlib.sha256(token.encode()).digest()  # the cache must not be a store of credentials
        if known := self._verified.get(digest):
            if self._clock() < known[0]:
                return known[1]
            del self._verified[digest]
        principal = await self._verify(token)
        self._remember(digest, principal)
        return principal

    def _remember(self, digest: bytes, principal: Principal) -> None:
        if len(self._verified) >= VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]  # the oldest
        now = self._clock()
        until = min(now + VERIFIED_S_MAX, principal.claims["exp"] + self._leeway_s)
        self._verified[digest] = (until, principal)

    async def _verify(self, token: str) -> Principal:
        signed = _parse(token)
        header, claims = signed.headers(), _claims(signed.payload)
        keys = self._issuers.get(str(claims.get("iss")))
        if keys is None:
            raise InvalidTokenError("unknown_issuer")
        key = await keys.find(_text(header, "kid"))
        _check_signature(signed, key)
        try:
            self._claims.validate(claims)
        except JoseError as error:
            raise InvalidTokenError(error.error) from error
        return _principal(claims, keys.issuer.roles)


def _parse(token: str) -> jws.CompactSignature:
    """Step 1: the token's parts, nothing of them believed yet."""
    if len(token) > TOKEN_BYTES_MAX:
        raise InvalidTokenError("too_large")
    try:
        signed = jws.extract_compact(token.encode("ascii"))
    except (JoseError, ValueError) as error:
        raise InvalidTokenError("malformed") from error
    header = signed.headers()
    if header.get("alg") not in ALGORITHMS:
        raise InvalidTokenError("algorithm")
    if str(header.get("typ", "")).lower() not in {"at+jwt", "application/at+jwt"}:
        raise InvalidTokenError("not_an_access_token")
    return signed


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = strict_json(payload)
    except JsonError as error:
        raise InvalidTokenError("malformed") from error
    if not isinstance(claims, dict):
        raise InvalidTokenError("malformed")
    return claims


def _check_signature(signed: jws.CompactSignature, key: jwk.Key) -> None:
    try:
        valid = jws.validate_compact(signed, key, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError) as error:
        raise InvalidTokenError("wrong_key") from error
    if not valid:
        raise InvalidTokenError("signature")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidTokenError(f"no_{name}")
    return value


def _principal(claims: Mapping[str, Any], roles_allowed: frozenset[str] | None) -> Principal:
    """The caller as the token says; a role that is no text, or that this issuer may not give, does not count."""
    given, assurance = claims.get("roles"), claims.get("acr")
    roles = frozenset(role for role in given if isinstance(role, str)) if isinstance(given, list) else frozenset()
    for name, has_form in _FORMS.items():
        value = claims.get(name)
        if value is not None and not (isinstance(value, str) and has_form(value)):
            raise InvalidTokenError(f"form_of_{name}")
    return Principal(
        subject=_text(claims, "sub"),
        client_id=_text(claims, "client_id"),
        roles=roles if roles_allowed is None else roles & roles_allowed,
        unit=claims.get("unit"),
        assurance=assurance if isinstance(assurance, str) else None,
        claims=MappingProxyType(dict(claims)),
    )


def bearer(request: Request) -> str | None:
    """The bearer token of a request (RFC 6750 §2.1), or None."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class Require(SecurityBase):
    """Dependency: the Principal of the request, who has at least one of `roles`."""

    def __init__(self, roles: frozenset[str]) -> None:
        self.roles = roles
        self.model = HTTPBearer(bearerFormat="JWT", description="RFC 9068 access token")
        self.scheme_name = "accessToken"

    async def __call__(self, request: Request) -> Principal:
        """401 without a token that holds, 403 without the role, or with two roles that exclude each other."""
        token = bearer(request)
        if token is None:
            raise UnauthenticatedError
        verifier: TokenVerifier = request.app.state.verifier
        try:
            principal = await verifier.verify(token)
        except InvalidTokenError as error:
            _log.info("token_refused", reason=error.reason)
            raise UnauthenticatedError(presented=True) from None
        # Who watches the system must not also be able to change it: the two are never one person's in one token.
        if {"dpo", "administrator"} <= principal.roles or not self.roles & principal.roles:
            raise ForbiddenError
        return principal


def require(*roles: str) -> Require:
    """`Depends(require("dpo", "auditor"))`: the caller, who has one of these roles. Raises ValueError for none."""
    if not roles:
        raise ValueError("name the roles that may: nobody is let in by default")
    return Require(frozenset(roles))
