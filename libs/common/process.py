"""How a process of ours lives and ends: one event loop, several roles, one clean stop.

Rules: SIGTERM stops taking work, finishes what is begun and exits 0. A loop that breaks begins anew; a door that fails
ends the process, and the supervisor starts a new one. A supervised process dies with its supervisor (fence.md §2): it
asks the kernel for SIGKILL at the parent's death, and then checks that the parent is still the one that started it. It
never forks. Objects made at the start are frozen out of garbage collection, which otherwise costs 50 ms pauses.
"""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import orjson
import uvicorn
import uvloop
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs.common import log
from libs.common.admission import Limits
from libs.common.log import get_logger
from libs.common.problems import FROM_THE_CONNECTION, MEDIA_TYPE, TYPE_PREFIX, Problem, SlowBodyError
from libs.common.settings import PREFIX, CommonSettings, MigrationSettings

GRACE_S = 10  # for requests that are being answered when the stop comes
KEEP_ALIVE_S = 60
TITLES = {Problem.status: Problem.title, SlowBodyError.status: SlowBodyError.title, **FROM_THE_CONNECTION}
UNREAD_BODY_S = 2.0  # for a body that nobody read to end, after the answer
PARENT_PID: Final = "SAMTYKKEBRO_PARENT_PID"
_PR_SET_PDEATHSIG: Final = 1

Role = Callable[[], Awaitable[None]]
_Form = TypeVar("_Form", bound=CommonSettings | MigrationSettings)
_Running = TypeVar("_Running", bound=CommonSettings)


def read_settings(form: type[_Form]) -> _Form:
    """`form` from the environment. Exits 78 (EX_CONFIG), one line a fault on stderr, never a value."""
    try:
        return form()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = "".join(f"{PREFIX}{part}".upper() for part in fault["loc"][:1])
            sys.stderr.write(f"settings: {name}: {fault['msg']}\n" if name else f"settings: {fault['msg']}\n")
        sys.exit(os.EX_CONFIG)


def configured(form: type[_Running], service: str, role: str) -> _Running:
    """The settings of a running role, its log set up, and what it was given for another process named in that log."""
    settings = read_settings(form)
    log.configure(service, role, settings.log_level, instance=settings.instance or None)
    for name in form.unused():
        get_logger().warning("setting_unused", setting=name)
    return settings


def become_child() -> None:
    """Bind this process's life to its supervisor's, where it has one. Exits 70 when the supervisor is gone already."""
    expected = os.environ.get(PARENT_PID)
    if expected is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(expected):  # it died before the line above
        sys.exit(os.EX_SOFTWARE)


def main(roles: Mapping[str, Role], close: Role | None = None) -> None:
    """Run `roles` on one uvloop until SIGTERM, SIGINT or the first failure, which is logged; then `close`."""
    become_child()
    try:
        uvloop.run(run_roles(roles, close))
    except Exception:  # noqa: BLE001 - its text may quote what came from outside, and would be printed
        get_logger().critical("process_failed", exc_info=True)
        sys.exit(1)


async def run_roles(roles: Mapping[str, Role], close: Role | None = None) -> None:
    """As `main`, inside a running loop. A one-shot role that returns does not end the others."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = {loop.create_task(_named(role), name=name) for name, role in roles.items()}
    stopping = loop.create_task(stop.wait(), name="stop")
    gc.collect()
    gc.freeze()
    try:
        running = set(tasks)
        while running and not stop.is_set():
            done, _ = await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            running -= done
            for task in done - {stopping}:
                task.result()
    finally:
        for task in {*tasks, stopping}:
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        if close is not None:
            await close()


async def _named(role: Role) -> None:
    await role()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with bounds on what a connection costs before anybody is known.

    1. Too large a head is 431, too long an address 414, a head that does not come in time 408, what is no HTTP 400; the
       connection is closed. llhttp itself has no limits.
    2. Beyond the limit of connections the one that has been idle for longest is closed, never one that is being
       answered: slow and silent callers cannot keep others out.
    3. A body that nobody read has a moment to end; then the connection is closed. A peer that takes nothing is cut.

    A subclass sets `limits`. Written against uvicorn 0.54, as `services.advis.transport` is.
    """

    limits = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head; make room."""
        super().connection_made(transport)
        self.idle_since: float | None = time.monotonic()
        self._refused = False
        self._in_message = False  # between the end of a head and the end of its body
        self._head_bytes = 0
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
        super().data_received(data)
        if self._head_timer is not None:  # the head is not complete
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes_max:
                self.refuse(431)

    def on_headers_complete(self) -> None:
        """Pass on, or refuse a head that is complete and beyond a bound."""
        if self._refused:
            return
        _cancel(self._head_timer)
        self._head_timer, self._head_bytes, self._in_message = None, 0, True
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) > self.limits.url_bytes_max:
            self.refuse(414)
        elif len(self.headers) > self.limits.headers_max or size > self.limits.head_bytes_max:
            self.refuse(431)
        elif sum(name == b"host" for name, _ in self.headers) > 1:  # RFC 9112 §3.2
            self.refuse(400)
        else:
            self.idle_since = None
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on, unless the request was refused."""
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
        kind = TYPE_PREFIX + TITLES[status].lower().replace(" ", "-")
        content = orjson.dumps({"type": kind, "title": TITLES[status], "status": status})
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


async def serve(app: Any, settings: CommonSettings, *, http_protocol: type[BoundedProtocol] = BoundedProtocol) -> None:
    """Serve `app` on the settings' host and port until cancelled, then answer what is being asked, and return.

    `http_protocol`: a disclosing service brings its own.
    """
    protocol = type(http_protocol.__name__, (http_protocol,), {"limits": settings})
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    serving = asyncio.get_running_loop().create_task(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
    raise RuntimeError("the server ended without being asked to")


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the other roles' loop under them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        get_logger().info("serving", port=self.config.port)
