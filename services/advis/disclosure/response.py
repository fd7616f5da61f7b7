"""The one way in which anything about a citizen leaves advis over HTTP (docs/fence.md, Disclose).

1. The whole body is ready before this begins. 2. The lease is looked at. 3. Unsent bytes are made to die with us.
4. Everything is written at once, with its length, so the reader has its answer now. 5. We wait, until the lease ends,
for the bytes to leave the machine: the settle waits, the reader does not. 6. They have left: `disclosed`.
The lease has ended or the reader is gone: the connection is cut first and settled `unknown` after, so that no byte
leaves once a withdrawal may be answered. Nothing was written: `not_sent`, and a 503.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs.common.http.problems import UnavailableError
from services.advis.disclosure.transport import EXTENSION, Wire
from services.advis.model.reach import Reach


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The permission behind one answer: until when (monotonic seconds), and how to say how far it came."""

    ends_at_s: float
    settle: Callable[[Reach], None]

    @property
    def ended(self) -> bool:
        """Whether the lease is over, by the holder's own monotonic clock."""
        return time.monotonic() >= self.ends_at_s


class DisclosureResponse(Response):
    """A JSON answer that is written under permits and settles them. Never cached."""

    media_type = "application/json"

    def __init__(self, body: bytes, disclosure: Disclosure) -> None:
        super().__init__(body, headers={"Cache-Control": "no-store"})
        self.disclosure = disclosure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write, wait, settle exactly once, whatever happens."""
        wire: Wire | None = scope.get("extensions", {}).get(EXTENSION)
        # What an earlier answer left on this connection must be gone first, or writing could wait beyond the lease.
        ready = wire is not None and await wire.drained(self.disclosure.ends_at_s)
        if wire is None or not ready or self.disclosure.ended:
            # No wire: nobody could tell when the bytes have left, so a server without our protocol discloses nothing.
            self.disclosure.settle(Reach.NOT_SENT)
            await UnavailableError().response()(scope, receive, send)
            return
        reach = Reach.UNKNOWN
        wire.hold()
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
            if await wire.drained(self.disclosure.ends_at_s):
                reach = Reach.DISCLOSED
        finally:
            if reach is Reach.UNKNOWN:
                await wire.cut()
            wire.release()
            self.disclosure.settle(reach)
        if reach is Reach.DISCLOSED:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
