"""The server's side of "sent": a uvicorn protocol that shows a disclosure what has really left the machine.

1. uvicorn hides its transport from the application; the scope's extension `samtykkebro.transport` is a `Wire` to it.
2. While a wire is held, SO_LINGER {1, 0} makes the kernel throw away what is unsent when the socket closes or the
   process is killed; without it the peer goes on receiving after the sender's death (docs/fence.md).
3. A peer that has finished sending (FIN) may still read, so a held connection survives the end of its input.

Written against uvicorn 0.54: `on_message_begin` makes the scope, `eof_received` None closes, `cycle.keep_alive` False
closes after the answer. `tests/advis/disclosure/test_disclosure.py` fails when another version moves these.
"""

import asyncio
import fcntl
import socket
import struct
import termios
import time
from typing import Any

from libs.common.http.connection import BoundedProtocol

EXTENSION = "samtykkebro.transport"
POLL_S_MIN = 0.0005
POLL_S_MAX = 0.005
_SIOCOUTQ = termios.TIOCOUTQ  # the same number: bytes of the send queue that the peer has not acknowledged
_LINGER = struct.Struct("ii")


class Wire:
    """One connection as a disclosure sees it: how much is unsent, whether it is lost, and how to cut it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.held = False
        self.closed = asyncio.Event()

    @property
    def lost(self) -> bool:
        """Whether nothing more can reach the peer."""
        return self.closed.is_set() or self._transport.is_closing()

    def hold(self) -> None:
        """Before the first byte: unsent bytes die with the connection or the process."""
        self.held = True
        self._linger(on=True)

    def release(self) -> None:
        """After the last byte has left: the connection may close politely again."""
        self.held = False
        if not self.lost:
            self._linger(on=False)

    def unsent(self) -> int:
        """Bytes in our buffer and in the kernel's send queue. Only meaningful while the wire is not lost."""
        queued = fcntl.ioctl(self._socket().fileno(), _SIOCOUTQ, bytes(4))
        return self._transport.get_write_buffer_size() + int.from_bytes(queued, "little")

    async def drained(self, until_s: float) -> bool:
        """Wait until everything written has left; False when `until_s` (monotonic) passes or the peer is gone."""
        pause_s = POLL_S_MIN
        while not self.lost:
            if self.unsent() == 0:
                return True
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, POLL_S_MAX)
        return False

    async def cut(self) -> None:
        """Throw away what is unsent and return when the socket is closed: nothing leaves after this."""
        self._transport.abort()
        await self.closed.wait()

    def _linger(self, *, on: bool) -> None:
        self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(int(on), 0))

    def _socket(self) -> socket.socket:
        found: socket.socket = self._transport.get_extra_info("socket")
        return found


class DisclosureProtocol(BoundedProtocol):
    """uvicorn's HTTP/1.1 protocol with a `Wire` in every request's scope. Pass it as uvicorn's `http=`."""

    wire: Wire

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One wire for the life of the connection."""
        super().connection_made(transport)
        self.wire = Wire(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The event loop closes the socket in the same callback, before any task that waits for `closed` runs."""
        super().connection_lost(exc)
        self.wire.closed.set()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep a held connection open for writing, and close it once its answer is complete."""
        if not self.wire.held:
            return None
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Add the wire to the scope that uvicorn has just made."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # TypedDicts cannot be extended in place
        scope.setdefault("extensions", {})[EXTENSION] = self.wire
