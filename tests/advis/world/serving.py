"""Advis behind a real uvicorn server, an issuer of tokens, and readers who have one."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey

from libs.common.http.auth import TokenVerifier, TrustedIssuer
from libs.common.http.cursors import CursorKeys
from libs.common.running.process import serve
from services.advis.app import create
from services.advis.disclosure.settlements import Settlements
from services.advis.disclosure.transport import DisclosureProtocol
from services.advis.resources import Resources
from tests.declared import hooks
from tests.fakes import FakeConsent
from tests.waiting import until

ISSUER = "http://issuer.test"
KEY = ECKey.generate_key("P-256", {"kid": "test", "alg": "ES256", "use": "sig"})


def token(
    subject: str = "bif101",
    unit: str | None = "BIF-KANTEN",
    roles: tuple[str, ...] = ("caseworker",),
    more: tuple[tuple[str, Any], ...] = (),
) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "advis",
        "sub": subject,
        "client_id": subject,
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + 300,
        "roles": list(roles),
        "unit": unit,
        **dict(more),
    }
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "test"}, claims, KEY)


SOURCE = ("source-system", None, ("source_system",))


def verifier() -> TokenVerifier:
    keys = {"keys": [KEY.as_dict(private=False)]}
    issuer = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=keys))
    client = httpx2.AsyncClient(transport=issuer)
    return TokenVerifier([TrustedIssuer(ISSUER, jwks_url=f"{ISSUER}/jwks")], "advis", client=client)


@dataclass
class Advis:
    """A running service and one HTTP client for it."""

    http: httpx2.AsyncClient
    resources: Resources
    settlements: Settlements
    port: int
    tokens: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def bearer(self, who: tuple[Any, ...]) -> dict[str, str]:
        if who not in self.tokens:
            self.tokens[who] = token(*who)
        return {"authorization": f"Bearer {self.tokens[who]}"}

    async def get(self, path: str, *who: Any) -> httpx2.Response:
        return await self.http.get(path, headers=self.bearer(who))

    async def post(self, path: str, *who: Any, **more: Any) -> httpx2.Response:
        return await self.http.post(path, headers=self.bearer(who) | more.pop("headers", {}), **more)

    async def ingest(self, document: Any, kind: str = "application/cloudevents+json") -> httpx2.Response:
        headers = {"content-type": kind}
        return await self.post("/v1/case-events", *SOURCE, json=document, headers=headers)

    async def settled(self, consent: FakeConsent) -> None:
        """Every permit has ended at consent and is on the record: a reader has its answer before that."""

        async def all_settled() -> bool:
            return not consent.open_permits and await self.settlements.finish(0)

        await until(all_settled)


@asynccontextmanager
async def serving(resources: Resources, settlements: Settlements) -> AsyncIterator[Advis]:
    tokens = verifier()
    loop = asyncio.get_running_loop()
    app = create(resources, tokens, CursorKeys.of([os.urandom(64)]))
    tasks = [
        loop.create_task(serve(app, resources.settings, http_protocol=DisclosureProtocol)),
        loop.create_task(settlements.run()),
    ]
    address = f"http://127.0.0.1:{resources.settings.port}"
    async with httpx2.AsyncClient(base_url=address, timeout=20, event_hooks=hooks("advis")) as http:

        async def ready() -> bool:
            with suppress(httpx2.ConnectError):
                return (await http.get("/health/ready")).status_code == 200
            return False

        await until(ready)
        yield Advis(http, resources, settlements, resources.settings.port)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await tokens.close()
