"""The one outbound door: sends one doorbell under one permit and says how far it came. It decides nothing.

1. A fresh connection for each attempt, with SO_LINGER {1, 0} before its first byte: what the kernel has not sent when
   we give up, or are killed, is thrown away (docs/fence.md). 2. The lease ends the attempt, wherever it is.
3. No redirect is followed, no proxy taken from the environment, and the receiver's body is never read.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp
from aiohttp.typedefs import LooseHeaders

from libs.common.observing.log import get_logger
from services.advis.doorbells import webhook
from services.advis.model.reach import Reach
from services.advis.notifications.doorbell import Answer
from services.advis.notifications.doorbells_store import Claimed
from services.advis.reference.reference import Endpoint

USER_AGENT = "samtykkebro-doorbell/1"
_DISCARD = struct.pack("ii", 1, 0)
_POLITE = struct.pack("ii", 0, 0)
_log = get_logger()


class _Line:
    """The socket of one attempt, and whether the receiver was there at all."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.connected = False

    def open(self, address: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """A socket for aiohttp to connect; what is left unsent dies with it."""
        family, kind, protocol, *_ = address
        self.socket = socket.socket(family, kind, protocol)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
        return self.socket

    def close_politely(self) -> None:
        """The receiver has answered, so there is nothing left to throw away."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _POLITE)


class Sender:
    """Rings doorbells. `keys`: the signing key of each unit's endpoint."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = keys

    async def ring(self, endpoint: Endpoint, bell: Claimed, until_s: float) -> Answer:
        """One attempt, over at `until_s` (monotonic) at the latest. Raises nothing but its own cancellation."""
        line = _Line()
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            return Answer(Reach.NOT_SENT)
        try:
            async with asyncio.timeout(left_s):
                return Answer(Reach.DISCLOSED, await self._post(endpoint, bell, line))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            _log.info("doorbell_unanswered", endpoint_unit=endpoint.unit, error=type(error).__name__)
            return Answer(Reach.UNKNOWN if line.connected else Reach.NOT_SENT)

    async def _post(self, endpoint: Endpoint, bell: Claimed, line: _Line) -> int:
        content = webhook.body(bell.doorbell_id, bell.first_rung_at)
        signed = webhook.headers(bell.doorbell_id, datetime.now(UTC), content, self._keys[endpoint.unit])
        headers: LooseHeaders = {**signed, "Content-Type": "application/json", "User-Agent": USER_AGENT}
        connector = aiohttp.TCPConnector(socket_factory=line.open, force_close=True, use_dns_cache=False)
        async with (
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[_watch(line)], trust_env=False
            ) as session,
            session.post(endpoint.url, data=content, headers=headers, allow_redirects=False) as response,
        ):
            line.close_politely()
            return response.status


def _watch(line: _Line) -> aiohttp.TraceConfig:
    async def connected(*_: object) -> None:
        line.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    return trace
