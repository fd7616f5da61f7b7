"""The development issuer as a real process: what it gives, and everything that it must refuse."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet

from libs.cli.issuer.config import read_config
from libs.cli.issuer.login import SignInError, client_token, sign_in
from libs.common.http.auth import TokenVerifier, TrustedIssuer
from libs.common.http.problems import InvalidTokenError
from tests.servers import aside
from tests.waiting import until

REDIRECT = "http://127.0.0.1/signed-in"
NUMBER = "61" + "0158" + "5123"  # a replacement number in a century in which nobody alive was born
VERIFIER = "v" * 64


def _config(directory: Path, port: int) -> Path:
    def client(client_id: str, secret: str | None, role: list[str], *grants: str) -> dict:
        return {
            "client_id": client_id, "client_secret": secret, "roles": role, "unit": None, "grant_types": list(grants),
            "audiences": ["consent", "audit"], "redirect_uris": [] if secret else [REDIRECT],
        }  # fmt: skip

    def user(name: str, role: str, cpr: str | None, unit: str | None) -> dict:
        return {
            "username": name, "display_name": f"{name} <b>", "roles": [role], "unit": unit, "cpr": cpr,
            "assurance": "Substantial",
        }  # fmt: skip

    path = directory / "issuer.json"
    document = {
        "issuer": f"http://127.0.0.1:{port}",
        "key_file": str(directory / "key.json"),
        "token_seconds": 600,
        "clients": [
            client("pages", None, [], "authorization_code"),
            client("fasit", "s3cret", ["source_system"], "client_credentials"),
        ],
        "users": [user("hans", "citizen", NUMBER, None), user("bif101", "caseworker", None, "BIF-KANTEN")],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = _config(tmp_path_factory.mktemp("issuer"), port)
    command = [sys.executable, "-m", "libs.cli.issuer", "--config", str(config), "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "SAMTYKKEBRO_PROFILE": "development"})
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        try:
            async with httpx2.AsyncClient() as http:
                return (await http.get(f"{url}/jwks.json")).status_code == 200
        except httpx2.TransportError:
            return False

    aside(until(answers))
    yield url
    process.terminate()
    process.wait(10)


def _asked(**changed: str | None) -> dict[str, str]:
    asked = {
        "response_type": "code", "client_id": "pages", "redirect_uri": REDIRECT, "state": "s", "resource": "consent",
        "code_challenge": create_s256_code_challenge(VERIFIER), "code_challenge_method": "S256",
    } | changed  # fmt: skip
    return {name: value for name, value in asked.items() if value is not None}


def _code(issuer: str, username: str = "hans", **changed: str | None) -> str:
    answer = httpx2.post(f"{issuer}/authorize", params=_asked(**changed), data={"username": username})
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def _exchange(issuer: str, code: str, **changed: str) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code", "code": code, "client_id": "pages", "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    } | changed  # fmt: skip
    return httpx2.post(f"{issuer}/token", data=form)


async def test_a_citizen_signs_in_and_the_number_is_told_to_consent_alone(issuer: str) -> None:
    keys = KeySet.import_key_set(httpx2.get(f"{issuer}/jwks.json").json())
    for_consent = jwt.decode(
        await sign_in(issuer, "pages", REDIRECT, username="hans", resource="consent"), keys, algorithms=["ES256"]
    )
    for_audit = jwt.decode(
        await sign_in(issuer, "pages", REDIRECT, username="hans", resource="audit"), keys, algorithms=["ES256"]
    )
    assert for_consent.header["typ"] == "at+jwt"
    assert for_consent.claims["cpr"] == NUMBER
    assert "cpr" not in for_audit.claims
    assert for_consent.claims["sub"] == for_audit.claims["sub"] != "hans"
    assert NUMBER not in for_consent.claims["sub"]


async def test_the_tokens_are_what_the_services_believe(issuer: str) -> None:
    verifier = TokenVerifier([TrustedIssuer(issuer)], "consent")
    caseworker = await verifier.verify(await sign_in(issuer, "pages", REDIRECT, username="bif101", resource="consent"))
    assert (caseworker.subject, caseworker.unit, caseworker.roles) == ("bif101", "BIF-KANTEN", {"caseworker"})
    source = await verifier.verify(await client_token(issuer, "fasit", "s3cret", "consent"))
    assert (source.subject, source.roles) == ("fasit", {"source_system"})
    with pytest.raises(InvalidTokenError):
        await verifier.verify(await client_token(issuer, "fasit", "s3cret", "audit"))
    await verifier.close()


async def test_a_wrong_secret_or_a_foreign_resource_gets_no_token(issuer: str) -> None:
    with pytest.raises(SignInError, match="invalid_client"):
        await client_token(issuer, "fasit", "guess", "consent")
    with pytest.raises(SignInError, match="invalid_request"):
        await client_token(issuer, "fasit", "s3cret", "advis")
    with pytest.raises(SignInError):
        await sign_in(issuer, "pages", REDIRECT, username="nobody", resource="consent")


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"redirect_uri": REDIRECT + "/elsewhere"},
        {"client_id": "unknown"},
        {"response_type": "token"},
        {"resource": "advis"},
    ],
)
def test_a_sign_in_that_is_not_as_registered_is_refused_on_the_page_and_sends_nobody_anywhere(issuer, changed) -> None:
    answer = httpx2.post(f"{issuer}/authorize", params=_asked(**changed), data={"username": "hans"})
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_a_code_is_for_one_exchange_by_whoever_holds_the_verifier(issuer: str) -> None:
    code = _code(issuer)
    assert _exchange(issuer, code).status_code == 200
    assert _exchange(issuer, code).status_code == 400
    assert _exchange(issuer, _code(issuer), code_verifier="w" * 64).status_code == 400
    assert _exchange(issuer, _code(issuer), redirect_uri=REDIRECT + "/elsewhere").status_code == 400
    assert _exchange(issuer, _code(issuer), code_verifier="").status_code == 400
    assert _exchange(issuer, _code(issuer), client_id="fasit").status_code == 401


def test_the_page_says_what_it_is_and_shows_no_number(issuer: str) -> None:
    page = httpx2.get(f"{issuer}/authorize", params=_asked())
    assert "NOT FOR REAL USE" in page.text
    assert 'lang="en"' in page.text
    assert NUMBER not in page.text
    assert "hans &lt;b&gt;" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("profile", ["production", ""])
def test_it_refuses_to_start_outside_the_development_profile(tmp_path: Path, profile: str) -> None:
    command = [sys.executable, "-m", "libs.cli.issuer", "--config", str(_config(tmp_path, 1)), "--port", "1"]
    ended = subprocess.run(
        command, env={**os.environ, "SAMTYKKEBRO_PROFILE": profile}, capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert "refuses to start" in ended.stderr


def test_it_refuses_an_address_beyond_this_machine(tmp_path: Path) -> None:
    path = _config(tmp_path, 1)
    path.write_text(path.read_text(encoding="utf-8").replace("127.0.0.1:1", "login.example:1"), encoding="utf-8")
    with pytest.raises(ValueError, match="this machine only"):
        read_config(path)
