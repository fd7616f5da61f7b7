"""How a process of ours lives and ends: one event loop, several roles, one clean stop.

Rules: SIGTERM stops taking work, finishes what is begun and exits 0. A loop that breaks begins anew; a door that fails
ends the process, and the supervisor starts a new one. A supervised process dies with its supervisor (docs/fence.md): it
asks the kernel for SIGKILL at the parent's death, and then checks that the parent is still the one that started it. It
never forks. Objects made at the start are frozen out of garbage collection, which otherwise costs 50 ms pauses.
"""

import asyncio
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import uvicorn
import uvloop
from pydantic import ValidationError

from libs.common.http.connection import BoundedProtocol
from libs.common.observing import log
from libs.common.observing.log import get_logger
from libs.common.running.settings import PREFIX, CommonSettings, MigrationSettings

GRACE_S = 10  # for requests that are being answered when the stop comes
KEEP_ALIVE_S = 60
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
