"""An issuer of access tokens for tests: a real key, real signatures, its JWKS served in place of the network."""

import time
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey

from libs.common.http.auth import TokenVerifier, TrustedIssuer

URL = "https://issuer.test"
_KEY = ECKey.generate_key("P-256", {"kid": "test-issuer"})


def verifier(audience: str = "consent") -> TokenVerifier:
    """What the service checks tokens with; only the fetch of the keys is short-cut."""
    keys = {"keys": [_KEY.as_dict(private=False)]}
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _request: httpx2.Response(200, json=keys)))
    return TokenVerifier([TrustedIssuer(URL, f"{URL}/jwks")], audience, client=client)


def token(*roles: str, subject: str = "someone", **claims: Any) -> str:
    """A signed RFC 9068 access token; `claims` add to it, None takes one away."""
    now = int(time.time())
    content = {
        "iss": URL,
        "aud": "consent",
        "sub": subject,
        "client_id": "test-client",
        "roles": list(roles),
        "iat": now,
        "exp": now + 6 * 3600,  # some are made when the run begins, and a whole run takes a while
        "jti": str(uuid4()),
        **claims,
    }
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "test-issuer"}, content, _KEY)


def citizen(number: str, /, **claims: Any) -> str:
    """A citizen's token, as the login broker gives it: with the CPR number and the assurance level."""
    return token("citizen", **{"subject": _pseudonym(number), "cpr": number, "acr": "Substantial", **claims})


def _pseudonym(number: str) -> str:
    """The broker's name for somebody: the same at each login, and no number."""
    return "".join(chr(ord("a") + byte % 26) for byte in sha256(number.encode()).digest()[:16])


def public_key() -> dict[str, Any]:
    """The key that the tokens can be verified with, as a JWK."""
    return dict(_KEY.as_dict(private=False))
