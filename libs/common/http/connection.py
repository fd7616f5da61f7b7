"""One HTTP/1.1 connection, bounded before anybody is known."""

import asyncio
import time

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs.common.http.admission import Limits
from libs.common.http.problems import FROM_THE_CONNECTION, MEDIA_TYPE, TYPE_PREFIX, Problem, SlowBodyError
from libs.common.observing.metrics import REFUSALS

TITLES = {Problem.status: Problem.title, SlowBodyError.status: SlowBodyError.title, **FROM_THE_CONNECTION}
UNREAD_BODY_S = 2.0  # for a body that nobody read to end, after the answer
HOSTS = ((1,), (0, 1))  # how often a Host is named in HTTP/1.1, and in 1.0 (RFC 9112 §3.2)
FRAME_BYTES = 8  # that one byte of a body may take with the size and the ends of its chunk


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with bounds on what a connection costs before anybody is known.

    1. Too large a head is 431, too long an address 414, a head that does not come in time 408, what is no HTTP 400; the
       connection is closed. llhttp itself has no limits. What frames a body and what follows it count as a head does.
    2. Beyond the limit of connections the one that has been idle for longest is closed, never one that is being
       answered: slow and silent callers cannot keep others out.
    3. A body that nobody read has a moment to end; then the connection is closed. A peer that takes nothing is cut.

    A subclass sets `limits`. Written against uvicorn 0.54, as `services.advis.disclosure.transport` is.
    """

    limits = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head; make room."""
        super().connection_made(transport)
        self.idle_since: float | None = time.monotonic()
        self._refused = False
        self._in_message = False  # between the end of a head and the end of its body
        self._head_bytes = 0
        self._frame_bytes = 0  # of a body that are not the body: sizes of chunks, extensions, trailers
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._await_head()
        if len(self.connections) > self.limits.connections_max:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every clock."""
        super().connection_lost(exc)
        for timer in (self._head_timer, self._write_timer, self._body_timer):
            _cancel(timer)

    def data_received(self, data: bytes) -> None:
        """Pass on, while the head is within its bounds."""
        if self._refused:
            return
        if not self._in_message and self._head_timer is None:
            self._await_head()
        if self._in_message:
            self._frame_bytes += len(data)
        super().data_received(data)
        if self._in_message and self._frame_bytes > self.limits.head_bytes_max:
            self.refuse(431)
        if self._head_timer is not None:  # the head is not complete
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes_max:
                self.refuse(431)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head. One that follows the body is passed over (RFC 9110 §6.5.1): checks are made by then."""
        if not self._in_message:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Pass on, or refuse a head that is complete and beyond a bound."""
        if self._refused:
            return
        _cancel(self._head_timer)
        self._head_timer, self._head_bytes, self._frame_bytes, self._in_message = None, 0, 0, True
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) > self.limits.url_bytes_max:
            self.refuse(414)
        elif len(self.headers) > self.limits.headers_max or size > self.limits.head_bytes_max:
            self.refuse(431)
        elif sum(name == b"host" for name, _ in self.headers) not in HOSTS[self.parser.get_http_version() == "1.0"]:
            self.refuse(400)
        else:
            self.idle_since = None
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on, unless the request was refused."""
        self._frame_bytes -= FRAME_BYTES * len(body)
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The body has ended, read or not."""
        if self._refused:
            return
        self._in_message = False
        _cancel(self._body_timer)
        self._body_timer = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Idle again, but for a next request; what is left of an unread body has a moment to end."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self.idle_since = time.monotonic()
            if self._in_message and not self.transport.is_closing():
                self._body_timer = self.loop.call_later(UNREAD_BODY_S, self.transport.close)

    def pause_writing(self) -> None:
        """The peer takes nothing: it has `write_timeout_s` to begin again."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.limits.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The peer takes again."""
        super().resume_writing()
        _cancel(self._write_timer)
        self._write_timer = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's sentence is not passed on
        """What is no HTTP, as a problem document."""
        self.refuse(400)

    def refuse(self, status: int) -> None:
        """Answer with a problem document and close; nothing more of this connection is read."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        kind = TITLES[status].lower().replace(" ", "-")
        REFUSALS.labels(kind).inc()
        content = orjson.dumps({"type": TYPE_PREFIX + kind, "title": TITLES[status], "status": status})
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\ncache-control: no-store\r\n"
        if not self._answering():  # never into the midst of an answer
            self.transport.write(STATUS_LINE[status] + head.encode() + b"connection: close\r\n\r\n" + content)
        self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._answering():
            self._await_head()  # of a next request, while this one is being answered
            return
        if self._head_bytes:
            self.refuse(SlowBodyError.status)
        self.transport.close()

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest; this one when every other is being answered."""
        others = [one for one in self.connections if isinstance(one, BoundedProtocol) and one is not self]
        idle = [one for one in others if one.idle_since is not None and not one.transport.is_closing()]
        victim = min(idle, key=lambda one: one.idle_since or 0.0, default=self)
        victim.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
