"""Who takes part: tokens that are renewed, and callers that ask again while a service is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from libs.cli.issuer.login import client_token, sign_in
from libs.cli.running.system import System

AWAY = frozenset({401, 500, 502, 503, 504})  # 401: a service whose clock has jumped
RENEW_S = 600.0  # a token of the development issuer holds for 900 s
PAUSE_S = 0.1
Body = dict[str, Any] | list[Any] | None


class GaveUpError(Exception):
    """Nobody answered for so long that the run is over."""


@dataclass
class Voice:
    """One person or system at one service."""

    http: httpx2.AsyncClient
    url: str
    renew: Callable[[], Awaitable[str]] = field(repr=False)
    _token: str = field(default="", repr=False)
    _renewed_at: float = float("-inf")

    async def call(
        self, method: str, path: str, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """One request, once. Raises httpx2.TransportError."""
        sent = {"authorization": f"Bearer {await self.token()}", **(headers or {})}
        return await self.http.request(method, self.url + path, json=body, headers=sent)

    async def until_answered(
        self, method: str, path: str, body: Body = None, headers: Mapping[str, str] | None = None, *, patience_s: float
    ) -> httpx2.Response:
        """Repeats the very same request until a service answers it. Raises GaveUpError."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            try:
                response = await self.call(method, path, body, headers)
            except httpx2.TransportError:
                pass
            else:
                if response.status_code not in AWAY:
                    return response
            await asyncio.sleep(PAUSE_S)
        raise GaveUpError(f"{method} {path}")

    async def token(self) -> str:
        if time.monotonic() - self._renewed_at > RENEW_S:
            self._token, self._renewed_at = await self.renew(), time.monotonic()
        return self._token


def person(http: httpx2.AsyncClient, system: System, username: str, service: str) -> Voice:
    """A citizen or a member of staff, signed in at the development issuer."""
    issuer, redirect = system.urls["issuer"], system.login_redirect

    async def renew() -> str:
        return await sign_in(issuer, system.login_client, redirect, username=username, resource=service)

    return Voice(http, system.urls[service], renew)


def machine(http: httpx2.AsyncClient, system: System, name: str, service: str) -> Voice:
    """A system with credentials of its own."""
    credentials = system.clients[name]

    async def renew() -> str:
        secret = credentials.client_secret
        return await client_token(system.urls["issuer"], credentials.client_id, secret, service)

    return Voice(http, system.urls[service], renew)
