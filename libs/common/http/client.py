"""One service calling another over HTTP, as itself: client credentials (RFC 6749 §4.4) for one audience (RFC 8707).

1. The token is fetched when first needed and again before it ends; a 401 throws it away and tries once more.
2. The correlation id of what we are doing goes with the call.
3. A call is repeated after a lost connection only when the caller says that repeating is harmless.
4. Two outcomes besides an answer: *unreachable* (try later) and *refused* (4xx: trying again changes nothing).
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from pydantic import BaseModel

from libs.common.observing.log import current_correlation

TIMEOUT_S = 5.0
CONNECTIONS_MAX = 20
RENEW_BEFORE_S = 60  # a token is renewed this long before it ends, or at half its life when that is shorter
LATER = frozenset({408, 429})  # the call had no effect, and may have one later
ATTEMPTS_MAX = 3  # of a call that may be repeated
RETRY_DELAY_S = 0.05


class UnreachableError(ConnectionError):
    """No usable answer: no connection, no token, a timeout or a 5xx. Whether the call took effect is unknown."""


class RefusedError(Exception):
    """The other service said no: `status` (4xx) and its problem document (empty when there was none)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('type', '')}")
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who we are at the issuer, and for which audience we ask."""

    issuer_url: str
    client_id: str
    client_secret: str = field(repr=False)
    audience: str


class _Token:
    """The current access token of one set of credentials."""

    def __init__(self, credentials: ClientCredentials, transport: httpx2.AsyncBaseTransport | None) -> None:
        self._credentials = credentials
        self._oauth = AsyncOAuth2Client(
            credentials.client_id, credentials.client_secret, timeout=TIMEOUT_S, transport=transport
        )
        self._endpoint: str | None = None
        self._value: str | None = None
        self._renew_at = float("-inf")
        self._lock = asyncio.Lock()

    async def value(self) -> str:
        """A token that holds for a while yet. Raises UnreachableError when none can be had."""
        async with self._lock:
            if self._value is None or time.monotonic() >= self._renew_at:
                try:
                    self._value = await self._fetch()
                except (httpx2.HTTPError, OAuthError, ValueError, KeyError, TypeError) as error:
                    raise UnreachableError("no access token") from error
            return self._value

    async def _fetch(self) -> str:
        asked_at = time.monotonic()
        if self._endpoint is None:
            url = self._credentials.issuer_url.rstrip("/") + "/.well-known/openid-configuration"
            found = (await self._oauth.request("GET", url, withhold_token=True)).raise_for_status()
            self._endpoint = str(orjson.loads(found.content)["token_endpoint"])
        token = await self._oauth.fetch_token(
            self._endpoint, grant_type="client_credentials", resource=self._credentials.audience
        )
        life_s = float(token["expires_in"])
        self._renew_at = asked_at + max(life_s - RENEW_BEFORE_S, life_s / 2)
        return str(token["access_token"])

    def forget(self, value: str) -> None:
        """Do not use `value` again."""
        if self._value == value:
            self._value = None

    async def close(self) -> None:
        await self._oauth.aclose()


class ServiceClient:
    """Calls to the service at `base_url`, with `credentials` or with a fixed `bearer` (a holder's token).

    `transport` replaces the network, for an application in the same process. Close it, or use `async with`.
    Raises ValueError unless exactly one of `credentials` and `bearer` is given.
    """

    def __init__(
        self,
        base_url: str,
        *,
        credentials: ClientCredentials | None = None,
        bearer: str | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        if (credentials is None) == (bearer is None):
            raise ValueError("give credentials or a bearer token")
        self._bearer = bearer
        self._token = _Token(credentials, transport) if credentials else None
        limits = httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
        self._http = httpx2.AsyncClient(base_url=base_url, timeout=timeout_s, limits=limits, transport=transport)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        if self._token:
            await self._token.close()

    async def get(self, path: str, *, params: Mapping[str, str | int] | None = None) -> Any:
        """The parsed JSON answer; None when there is no body. A read may always be repeated."""
        return _parsed(await self.call("GET", path, params=params, idempotent=True))

    async def post(
        self,
        path: str,
        body: BaseModel | bytes | Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
    ) -> Any:
        """The parsed JSON answer; None when there is no body. `idempotent`: repeating the call is harmless."""
        return _parsed(await self.call("POST", path, body=body, headers=headers, idempotent=idempotent))

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | bytes | Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
    ) -> httpx2.Response:
        """The whole answer (2xx or 3xx). Raises UnreachableError or RefusedError."""
        request = self._http.build_request(method, path, params=params, content=_content(body), headers=headers)
        if body is not None:
            request.headers.setdefault("Content-Type", "application/json")
        if correlation := current_correlation():
            request.headers["X-Correlation-ID"] = correlation
        response = await self._authorised(request, idempotent=idempotent)
        if response.status_code >= 500 or response.status_code in LATER:
            raise UnreachableError(f"answered {response.status_code}")
        if response.status_code >= 400:
            raise RefusedError(response.status_code, _problem(response))
        return response

    async def _authorised(self, request: httpx2.Request, *, idempotent: bool) -> httpx2.Response:
        bearer = self._bearer or await self._current()
        request.headers["Authorization"] = f"Bearer {bearer}"
        response = await self._sent(request, idempotent=idempotent)
        if response.status_code != 401 or self._token is None:
            return response
        self._token.forget(bearer)  # the issuer may have changed its keys: a 401 had no effect, so once more
        request.headers["Authorization"] = f"Bearer {await self._current()}"
        return await self._sent(request, idempotent=idempotent)

    async def _current(self) -> str:
        assert self._token is not None
        return await self._token.value()

    async def _sent(self, request: httpx2.Request, *, idempotent: bool) -> httpx2.Response:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._http.send(request)
            except httpx2.HTTPError as error:
                # A connection that was never made carried nothing, so that call may always be repeated.
                repeatable = idempotent or isinstance(error, httpx2.ConnectError)
                if attempt == ATTEMPTS_MAX or not repeatable or isinstance(error, httpx2.TimeoutException):
                    raise UnreachableError(type(error).__name__) from error
            await asyncio.sleep(RETRY_DELAY_S * attempt)
        raise AssertionError("the last attempt returns or raises")


def _content(body: BaseModel | bytes | Mapping[str, Any] | None) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.model_dump_json().encode() if isinstance(body, BaseModel) else orjson.dumps(dict(body))


def _parsed(response: httpx2.Response) -> Any:
    try:
        return orjson.loads(response.content) if response.content else None
    except ValueError as error:
        raise UnreachableError("the answer is not JSON") from error


def _problem(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        document = orjson.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
