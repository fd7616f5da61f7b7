"""Whom the issuer knows, read from one file that holds secrets and invented personal numbers (0600)."""

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import orjson
from authlib.oauth2.rfc6749 import ClientMixin
from joserfc.jwk import ECKey
from pydantic import BaseModel, ConfigDict, Field

from libs.cli.processes.state import write_private

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class _Known(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Client(_Known, ClientMixin):  # type: ignore[misc]  # Authlib publishes no types
    """A system with credentials of its own, or the public client through which people sign in (no secret)."""

    client_id: str
    client_secret: str | None = Field(repr=False)
    roles: tuple[str, ...]
    unit: str | None
    audiences: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]

    def get_client_id(self) -> str:
        """The client's id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: where a person is sent must be said, and be one that was registered."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Scopes carry nothing here; roles and the resource do."""
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exact match only (RFC 9700 §2.1)."""
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Compared in constant time; a public client has none to know."""
        return self.client_secret is not None and hmac.compare_digest(self.client_secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """A client with a secret shows it; one without cannot pretend to."""
        if endpoint != "token":
            return True
        return (
            method == "none" if self.client_secret is None else method in {"client_secret_basic", "client_secret_post"}
        )

    def check_response_type(self, response_type: str) -> bool:
        """The authorization code is the only way for a person."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Only what the client was registered for."""
        return grant_type in self.grant_types


class User(_Known):
    """Somebody who can be chosen on the sign-in page. `cpr` is an invented number, None for staff."""

    username: str
    display_name: str
    roles: tuple[str, ...]
    unit: str | None
    host_unit: str | None = None
    cpr: str | None = Field(repr=False)
    assurance: str


class Config(_Known):
    """The whole file. `issuer` must be a loopback address."""

    issuer: str
    key_file: Path
    token_seconds: Annotated[int, Field(gt=0, le=3600)]
    clients: tuple[Client, ...]
    users: tuple[User, ...]

    def client(self, client_id: str) -> Client | None:
        """The client of that id."""
        return next((client for client in self.clients if client.client_id == client_id), None)

    def user(self, username: str) -> User | None:
        """The user of that name."""
        return next((user for user in self.users if user.username == username), None)


def read_config(path: Path) -> Config:
    """The configuration. Raises ValueError when it is malformed or names an issuer beyond this machine."""
    config = Config.model_validate_json(path.read_bytes())
    if urlsplit(config.issuer).hostname not in LOOPBACK:
        raise ValueError("the development issuer serves this machine only: its address must be loopback")
    return config


def signing_key(path: Path) -> ECKey:
    """The ES256 key in `path`, made there (0600) on first use."""
    if not path.exists():
        made = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True)
        made.ensure_kid()
        write_private(path, orjson.dumps(made.as_dict(private=True)))
    return ECKey.import_key(orjson.loads(path.read_bytes()))


def subject(user: User, key: ECKey) -> str:
    """Staff are their employee id; a citizen is a pairwise name that says nothing (OpenID Connect Core §8.1)."""
    if user.cpr is None:
        return user.username
    secret = str(key.as_dict(private=True)["d"]).encode()
    return hmac.new(secret, user.username.encode(), sha256).hexdigest()[:32]
