"""How a person's page and a system get a token, as a client: used by the demo, the tests and the operator's command."""

import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from authlib.oauth2.rfc7636 import create_s256_code_challenge

TIMEOUT_S = 10.0


class SignInError(Exception):
    """The issuer refused; the text is its own error code."""


async def sign_in(issuer_url: str, client_id: str, redirect_uri: str, *, username: str, resource: str) -> str:
    """An access token for `resource`, by authorization code and PKCE, choosing `username` on the page.

    Raises SignInError, httpx2.TransportError.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "resource": resource,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    async with httpx2.AsyncClient(base_url=issuer_url, timeout=TIMEOUT_S) as http:
        answer = await http.post("/authorize", params=asked, data={"username": username})
        returned = parse_qs(urlsplit(answer.headers.get("location", "")).query)
        if "code" not in returned or returned.get("state") != [state]:
            raise SignInError(f"no code for {username}: {answer.status_code}")
        return await _token(
            http,
            {
                "grant_type": "authorization_code",
                "code": returned["code"][0],
                "client_id": client_id,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            },
        )


async def client_token(issuer_url: str, client_id: str, client_secret: str, resource: str) -> str:
    """A system's own access token for `resource` (client credentials). Raises SignInError, httpx2.TransportError."""
    form = {"grant_type": "client_credentials", "resource": resource}
    async with httpx2.AsyncClient(base_url=issuer_url, timeout=TIMEOUT_S, auth=(client_id, client_secret)) as http:
        return await _token(http, form)


async def _token(http: httpx2.AsyncClient, form: dict[str, str]) -> str:
    answer = await http.post("/token", data=form)
    document: dict[str, Any] = answer.json()
    if answer.status_code != 200:
        raise SignInError(str(document.get("error", answer.status_code)))
    return str(document["access_token"])
