"""A caseworker system's webhook address: it keeps what rang, so that the story can show that nothing was said."""

import asyncio
import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Ring:
    """One doorbell: which unit's address it reached, the whole body, whether it was signed, and when (monotonic)."""

    unit: str
    body: dict[str, Any]
    signed: bool
    received: float


class Receiver:
    """An HTTP server on loopback with one path per unit. The signature is checked by somebody else's library."""

    def __init__(self) -> None:
        self.rings: list[Ring] = []
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.url = ""
        self.answering = asyncio.Event()  # while clear, whoever rings waits for an answer that does not come
        self.answering.set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port; `url` is set when this returns."""
        app = web.Application()
        app.router.add_post("/{unit}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        raw = await request.read()
        unit = request.match_info["unit"]
        self.rings.append(Ring(unit, json.loads(raw), self._is_signed(raw, request), time.monotonic()))
        await self.answering.wait()
        return web.Response(status=204)

    def _is_signed(self, raw: bytes, request: web.Request) -> bool:
        # Not a dependency of the services: the command line must load where it is not installed.
        from standardwebhooks import Webhook  # noqa: PLC0415
        from standardwebhooks.webhooks import WebhookVerificationError  # noqa: PLC0415

        try:
            Webhook(self.secret).verify(raw.decode(), dict(request.headers))
        except WebhookVerificationError:
            return False
        return True
