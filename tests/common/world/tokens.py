"""An issuer without a network: its keys can be rotated, its clock set, the requests that reach it counted."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
from joserfc import jwk, jwt

from libs.common.http.auth import TokenVerifier, TrustedIssuer

ISSUER = "https://issuer.test"
AUDIENCE = "consent"
NOW = 1_800_000_000


@dataclass
class Issuer:
    url: str = ISSUER
    algorithm: str = "ES256"
    now: float = NOW
    away: bool = False
    requests: list[str] = field(default_factory=list)
    keys: list[jwk.Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        self.keys = [new_key(self.algorithm)]

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request.url.path)
        if self.away:
            raise httpx2.ConnectError("away")
        if request.url.path == "/keys":
            return httpx2.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})
        return httpx2.Response(200, json={"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    def claims(self, **changed: Any) -> dict[str, Any]:
        """A caseworker's; a change to None leaves the claim out."""
        base = {
            "iss": self.url, "aud": AUDIENCE, "sub": "bif101", "client_id": "pages", "iat": int(self.now),
            "exp": int(self.now) + 600, "jti": str(uuid4()), "roles": ["caseworker"], "unit": "BIF-CAB",
        }  # fmt: skip
        return {name: value for name, value in (base | changed).items() if value is not None}

    def token(self, *, header: dict[str, Any] | None = None, key: jwk.Key | None = None, **changed: Any) -> str:
        key = key or self.keys[0]
        protected = {"alg": self.algorithm, "typ": "at+jwt", "kid": key.kid} | (header or {})
        protected = {name: value for name, value in protected.items() if value is not None}
        return jwt.encode(protected, self.claims(**changed), key, algorithms=[protected["alg"]], default_type=None)

    def verifier(self, *others: TrustedIssuer, **changed: Any) -> TokenVerifier:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer))
        trusted = [TrustedIssuer(self.url), *others]
        return TokenVerifier(trusted, AUDIENCE, client=client, clock=lambda: self.now, **changed)


def new_key(algorithm: str) -> jwk.Key:
    made: jwk.Key
    if algorithm == "ES256":
        made = jwk.ECKey.generate_key("P-256")
    elif algorithm == "Ed25519":
        made = jwk.OKPKey.generate_key("Ed25519")
    else:
        made = jwk.RSAKey.generate_key(2048)
    made.ensure_kid()
    return made
