"""Webhook addresses of every temper: fast, slow, hanging, failing. Each writes down what rang.

A duplicate attempt (the same webhook-id) must have the same body, byte for byte: receivers dedupe on the id.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aiohttp import web

SLOW_S = 3.0
HANGING_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Ring:
    """One attempt that reached us: `at_ns` monotonic, when its headers had come."""

    at_ns: int
    unit: str
    webhook_id: str
    body_sha256: str
    text: bytes


TEMPERS: Mapping[str, str] = MappingProxyType(
    {"BIF-JOBINDSATS": "fast", "BIF-KANTEN": "slow", "BIF-YDELSE": "hanging", "SOF-BCV": "failing"}
)


class Receivers:
    """One server on loopback with a path for each unit."""

    def __init__(self) -> None:
        self.rings: list[Ring] = []
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.url = ""
        self._over = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def units(self) -> tuple[str, ...]:
        return tuple(TEMPERS)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{unit}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        self._over.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        at_ns = time.monotonic_ns()
        body = await request.read()
        unit = request.match_info["unit"]
        heads = b"\n".join(f"{name}: {value}".encode() for name, value in request.headers.items())
        digest = hashlib.sha256(body).hexdigest()
        self.rings.append(Ring(at_ns, unit, request.headers["webhook-id"], digest, heads + b"\n" + body))
        temper = TEMPERS[unit]
        wait_s = {"slow": SLOW_S, "hanging": HANGING_S}.get(temper, 0.0)
        if wait_s:
            try:
                async with asyncio.timeout(wait_s):
                    await self._over.wait()
            except TimeoutError:
                pass
        return web.Response(status=500 if temper == "failing" else 204)
