"""Who calls: access tokens in the JWT profile of RFC 9068, checked in this order, each step refusing on its own.

1. Size, form, `typ` at+jwt, and an algorithm from the allow-list (so `none` and HMAC never reach a key).
2. The issuer that the token names must be one we trust, and only *its* keys are tried.
3. The key that `kid` names, of a type and for a use that fit the algorithm (`keysets`).
4. The signature. 5. Issuer, audience, times (with leeway), subject, client, token id, roles.
6. The form of who and where (`identifiers`), which go on the record as they are: nothing is cut or passed over.

A refusal is a 401 that says which step failed, in one constant sentence about the token and nothing else (RFC 6750 §3).
Access is denied by default: a route without a gate is open only when it is meant to be. Gates are passed before a body
is read (`door.Route`).
"""

import functools
import hashlib
import ssl
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx2
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode
from starlette.requests import Request

from libs.common.http.admission import Admission
from libs.common.http.keysets import FETCH_TIMEOUT_S, IssuerKeys
from libs.common.http.problems import (
    ESSENTIAL,
    FAULTS,
    TOKEN_BYTES_MAX,
    FieldError,
    InvalidTokenError,
    MissingRightError,
    UnauthenticatedError,
    fault_of,
)
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import TOKENS_REFUSED
from libs.common.wire.identifiers import is_identity, is_unit
from libs.common.wire.values import JsonError, strict_json

ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
VERIFIED_S_MAX = 60  # a verified token is believed this long without verifying its signature again
VERIFIED_MAX = 4096  # tokens

# RFC 9068 §2.2; the issuer is checked before, by choosing its keys.
_ESSENTIAL: dict[str, ClaimsOption] = {name: {"essential": True} for name in ESSENTIAL}
_FORMS = {"sub": is_identity, "client_id": is_identity, "unit": is_unit, "host_unit": is_unit}
_log = get_logger()


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
        self._issuers = {
            issuer.url: (issuer, IssuerKeys(issuer.url, issuer.jwks_url, client=self._client, clock=clock))
            for issuer in issuers
        }
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

    def knows(self, token: str) -> bool:
        """Whether `token` was verified a moment ago, so that verifying it again costs nothing."""
        return hashlib.sha256(token.encode()).digest() in self._verified

    def _remember(self, digest: bytes, principal: Principal) -> None:
        if len(self._verified) >= VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]  # the oldest
        now = self._clock()
        until = min(now + VERIFIED_S_MAX, principal.claims["exp"] + self._leeway_s)
        self._verified[digest] = (until, principal)

    async def _verify(self, token: str) -> Principal:
        signed = _parse(token)
        header, claims = signed.headers(), _claims(signed.payload)
        trusted = self._issuers.get(str(claims.get("iss")))
        if trusted is None:
            raise InvalidTokenError("unknown_issuer")
        issuer, keys = trusted
        _check_signature(signed, await keys.find(_text(header, "kid")))
        try:
            self._claims.validate(claims)
        except JoseError as error:
            raise InvalidTokenError(fault_of(error)) from error
        return _principal(claims, issuer.roles)


def _parse(token: str) -> jws.CompactSignature:
    """Step 1: the token's parts, nothing of them believed yet."""
    if len(token) > TOKEN_BYTES_MAX:
        raise InvalidTokenError("too_large")
    try:
        signed = jws.extract_compact(token.encode("ascii"))
        header = strict_json(urlsafe_b64decode(token.partition(".")[0].encode()))
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise InvalidTokenError("malformed") from error
    if not isinstance(header, dict):
        raise InvalidTokenError("malformed")
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


def _check_signature(signed: jws.CompactSignature, keys: Sequence[jwk.Key]) -> None:
    """Steps 3 and 4: one of the keys of that name fits the algorithm, and made the signature."""
    fault = "wrong_key" if keys else "unknown_key"
    for key in keys:
        try:
            if jws.validate_compact(signed, key, algorithms=list(ALGORITHMS)):
                return
            fault = "signature"
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
    raise InvalidTokenError(fault)


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
    """The bearer token of a request (RFC 6750 §2.1), or None; two `Authorization` lines are none."""
    lines = request.headers.getlist("Authorization")
    scheme, _, token = (lines[0] if len(lines) == 1 else "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class Gate(SecurityBase):
    """Dependency that lets a caller in or refuses; asked once a request, before the body is read (`door.Route`)."""

    async def __call__(self, request: Request) -> Any:
        """What `admit` answered for this request."""
        passed: dict[Gate, Any] = request.scope.setdefault("state", {}).setdefault("passed", {})
        if self not in passed:
            passed[self] = await self.admit(request)
        return passed[self]

    async def admit(self, request: Request) -> Any:
        """Who calls, as the route wants it. Raises a 401 or a 403."""
        raise NotImplementedError


class Require(Gate):
    """Gate: the Principal of the request, who has at least one of `roles` and none of `never`."""

    def __init__(self, roles: frozenset[str], never: frozenset[str] = frozenset()) -> None:
        self.roles = roles
        self.never = never
        self.model = HTTPBearer(bearerFormat="JWT", description="RFC 9068 access token")
        self.scheme_name = "accessToken"

    async def admit(self, request: Request) -> Principal:
        """401 without a token that holds, 403 without the role, or with two roles that exclude each other."""
        token = bearer(request)
        if token is None:
            raise UnauthenticatedError
        verifier: TokenVerifier = request.app.state.verifier
        admission: Admission = request.app.state.admission
        if not request.scope["state"].get("stops") and not verifier.knows(token):
            admission.check_tokens_refused()
        try:
            principal = await verifier.verify(token)
        except InvalidTokenError as error:
            admission.count_refused_token()
            TOKENS_REFUSED.labels(error.reason).inc()
            _log.info("token_refused", reason=error.reason)
            raise UnauthenticatedError(FAULTS[error.reason]) from None
        request.state.principal = principal  # also of one who is refused: the refusal is on the record
        self._check(principal.roles)
        return principal

    def _check(self, roles: frozenset[str]) -> None:
        if not self.roles & roles:
            wanted = FieldError("roles", "must hold one of these", tuple(sorted(self.roles)))
            raise MissingRightError(errors=[wanted])
        # Who watches the system must not also be able to change it: the two are never one person's in one token.
        if {"dpo", "administrator"} <= roles or self.never & roles:
            raise MissingRightError("The roles of the token exclude each other here.")


def require(*roles: str, never: Collection[str] = ()) -> Require:
    """`Depends(require("dpo", "auditor"))`: the caller, who has one of these roles. Raises ValueError for none."""
    if not roles:
        raise ValueError("name the roles that may: nobody is let in by default")
    return Require(frozenset(roles), frozenset(never))
