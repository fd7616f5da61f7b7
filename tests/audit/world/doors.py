"""The HTTP door as a caller meets it, with tokens of issuers that answer without a network."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from libs.common.http.auth import TokenVerifier
from services.audit.app import create, issuers, parts_of
from services.audit.settings import Settings
from tests.declared import hooks

STAFF, CONSENT = "http://issuer.test", "http://consent.test"
_KEYS = {
    STAFF: (ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True), "ES256"),
    CONSENT: (OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True), "Ed25519"),
}


def token(*roles: str, subject: str = "kk901", issuer: str = STAFF, **changed: Any) -> str:
    key, algorithm = _KEYS[issuer]
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": "audit",
        "sub": subject,
        "client_id": "test",
        "iat": now,
        "exp": now + 6 * 3600,  # some are made when the run begins, and a whole run takes a while
        "jti": str(uuid4()),
        "roles": list(roles),
        "unit": "KK-DPO",
    }
    return jwt.encode(
        {"alg": algorithm, "typ": "at+jwt", "kid": key.kid}, claims | changed, key, algorithms=[algorithm]
    )


def bearer(*roles: str, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(*roles, **claims)}"}


def citizen(borger_id: object) -> dict[str, str]:
    """As consent gives it: its own issuer, the pseudonym as subject, no CPR number."""
    return bearer("citizen", subject=str(borger_id), issuer=CONSENT, unit=None)


def _issuer(request: httpx2.Request) -> httpx2.Response:
    home = f"{request.url.scheme}://{request.url.host}"
    if request.url.path == "/.well-known/openid-configuration" and home == STAFF:
        return httpx2.Response(200, json={"issuer": STAFF, "jwks_uri": f"{STAFF}/keys"})
    if request.url.path in {"/keys", "/.well-known/jwks.json"}:
        return httpx2.Response(200, json={"keys": [_KEYS[home][0].as_dict(private=False)]})
    return httpx2.Response(404)


@asynccontextmanager
async def transport(settings: Settings) -> AsyncIterator[httpx2.ASGITransport]:
    """The application as it is composed, but for the way to its issuers."""
    parts = parts_of(settings)
    app = create(parts)
    async with app.router.lifespan_context(app):
        await app.state.verifier.close()
        away = httpx2.AsyncClient(transport=httpx2.MockTransport(_issuer))
        app.state.verifier = TokenVerifier(issuers(settings), settings.audience, client=away)
        yield httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        await away.aclose()
    await parts.bell.close()
    await parts.database.close()


@asynccontextmanager
async def door(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller's client on that application."""
    async with (
        transport(settings) as inside,
        httpx2.AsyncClient(transport=inside, base_url="http://audit.test", event_hooks=hooks("audit")) as client,
    ):
        yield client
