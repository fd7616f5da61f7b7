"""Authlib's authorization server, told where its clients, codes and keys are."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    AuthorizationServer,
    InvalidRequestError,
    OAuth2Payload,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import ECKey, KeySet
from starlette.responses import JSONResponse, Response

from libs.cli.issuer.config import Client, Config, User, subject

CODE_SECONDS = 60
CODES_MAX = 1_000  # codes not yet exchanged; the oldest is forgotten first
CPR_AUDIENCE = "consent"  # the only service that may be told a personal number (P10)


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]  # Authlib publishes no types
    """An authorization code: for one client, one person, one resource, once."""

    code: str
    client_id: str
    redirect_uri: str
    username: str
    resource: str
    code_challenge: str
    code_challenge_method: str
    expires_at: float

    def get_redirect_uri(self) -> str:
        """Where the code was sent."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """No scopes."""
        return ""


@dataclass(frozen=True)
class Subject:
    """What Authlib calls a user: the person, and which service the token is for."""

    user: User
    resource: str
    id: str

    def get_user_id(self) -> str:
        """The token's `sub`."""
        return self.id


class _Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib publishes no types
    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    @property
    def data(self) -> Mapping[str, str]:
        return dict(reversed(self._pairs))  # the first of several counts; Authlib refuses several where it matters

    @property
    def datalist(self) -> Mapping[str, list[str]]:
        values: dict[str, list[str]] = {}
        for name, value in self._pairs:
            values.setdefault(name, []).append(value)
        return values


class Asked(OAuth2Request):  # type: ignore[misc]  # Authlib publishes no types
    """A request already read: its query and form as pairs."""

    def __init__(self, method: str, uri: str, headers: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = _Payload(pairs)

    @property
    def args(self) -> Mapping[str, str]:
        """The query."""
        return self.payload.data

    @property
    def form(self) -> Mapping[str, str]:
        """The form."""
        return self.payload.data


class _OnlyS256(CodeChallenge):  # type: ignore[misc]  # Authlib publishes no types
    """PKCE always, and never `plain` (RFC 9700 §2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib publishes no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        self.server.codes.keep(
            Code(
                code,
                client_id=request.client.client_id,
                redirect_uri=request.payload.redirect_uri,
                username=request.user.user.username,
                resource=request.user.resource,
                code_challenge=data["code_challenge"],
                code_challenge_method=data["code_challenge_method"],
                expires_at=time.monotonic() + CODE_SECONDS,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Taken out at the first look: a code is for one exchange, also when that fails."""
        found: Code | None = self.server.codes.take(code)
        return found if found is not None and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Taken out already."""

    def authenticate_user(self, authorization_code: Code) -> Subject | None:
        return self.server.person(authorization_code.username, authorization_code.resource)  # type: ignore[no-any-return]


class _ClientGrant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib publishes no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        client: Client = self.request.client
        self.request.user = self.server.system(client, self.request.payload.data.get("resource"))
        token = self.generate_token(user=self.request.user, scope="", include_refresh_token=False)
        return 200, token, self.TOKEN_RESPONSE_HEADER


class _Tokens(JWTBearerTokenGenerator):  # type: ignore[misc]  # Authlib publishes no types
    """RFC 9068 tokens. A personal number goes to the one service that may know it, and only there."""

    def __init__(self, config: Config, key: ECKey) -> None:
        super().__init__(config.issuer, alg="ES256", expires_generator=lambda *_: config.token_seconds)
        self._key = key

    def get_jwks(self) -> KeySet:
        return KeySet([self._key])

    def get_audiences(self, _client: Client, user: Any, _scope: str) -> str:
        return user.resource  # type: ignore[no-any-return]

    def get_acr(self, user: Any) -> str | None:
        return user.user.assurance if isinstance(user, Subject) else None

    def get_extra_claims(self, _client: Client, _grant_type: str, user: Any, _scope: str) -> dict[str, Any]:
        known: User | Client = user.user if isinstance(user, Subject) else user.client
        claims: dict[str, Any] = {"roles": list(known.roles)}
        if known.unit is not None:
            claims["unit"] = known.unit
        if isinstance(known, User) and known.host_unit is not None:
            claims["host_unit"] = known.host_unit
        if isinstance(known, User) and known.cpr is not None and user.resource == CPR_AUDIENCE:
            claims["cpr"] = known.cpr
        return claims


@dataclass(frozen=True)
class System:
    """A client acting for itself at one service."""

    client: Client
    resource: str

    def get_user_id(self) -> str:
        """The token's `sub`: the client itself (RFC 9068 §2.2)."""
        return self.client.client_id


@dataclass
class Codes:
    """Codes not yet exchanged, in this process only."""

    _by_code: dict[str, Code] = field(default_factory=dict)

    def keep(self, code: Code) -> None:
        """Remember one; the oldest is forgotten when there are too many."""
        while len(self._by_code) >= CODES_MAX:
            del self._by_code[next(iter(self._by_code))]
        self._by_code[code.code] = code

    def take(self, code: str) -> Code | None:
        """The code, once, and only while it is fresh."""
        found = self._by_code.pop(code, None)
        return found if found is not None and found.expires_at > time.monotonic() else None


class Server(AuthorizationServer):  # type: ignore[misc]  # Authlib publishes no types
    """The authorization server of one configuration and one key."""

    def __init__(self, config: Config, key: ECKey) -> None:
        super().__init__()
        self.config, self.key, self.codes = config, key, Codes()
        self.register_grant(_CodeGrant, [_OnlyS256(required=True)])
        self.register_grant(_ClientGrant)
        self.register_token_generator("default", _Tokens(config, key))

    def query_client(self, client_id: str) -> Client | None:
        """Authlib asks for a client."""
        return self.config.client(client_id)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Nothing is kept: a token is believed for what it says, until it ends."""

    def create_oauth2_request(self, request: Asked) -> Asked:
        """The doors read the request; Authlib takes it as it is."""
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Response:
        """What Authlib answers, as HTTP."""
        named = dict(headers)
        return JSONResponse(body, status, named) if isinstance(body, dict) else Response(body, status, named)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def person(self, username: str, resource: str | None) -> Subject | None:
        """A user as the subject of a token for `resource`; None when there is no such user."""
        user = self.config.user(username)
        return None if user is None or resource is None else Subject(user, resource, subject(user, self.key))

    def system(self, client: Client, resource: str | None) -> System:
        """A client for one of its own audiences; the only one where it has one. Raises InvalidRequestError."""
        return System(client, self.resource_for(client, resource))

    def resource_for(self, client: Client, resource: str | None) -> str:
        """The audience asked for, when it is one of the client's (RFC 8707). Raises InvalidRequestError."""
        if resource is None and len(client.audiences) == 1:
            return client.audiences[0]
        if resource not in client.audiences:
            raise InvalidRequestError("The resource must be one of this client's.")
        return resource
