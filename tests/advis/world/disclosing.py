"""A server that discloses one body under one permit, for the tests of the wire; run as a script it can be killed.

`python -m tests.advis.world.disclosing <bytes> <lease s> <discard|keep>`: prints the port, then `written`
and each settle. `keep` leaves SO_LINGER alone, which shows what the tests would see without it.
"""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import uvloop

from services.advis.disclosure.response import Disclosure, DisclosureResponse
from services.advis.disclosure.transport import EXTENSION, DisclosureProtocol, Wire
from services.advis.model.reach import Reach


def application(body: bytes, lease_s: float, settle: Callable[[Reach], None], written: Callable[[Wire], None]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def watched(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and message.get("more_body"):
                written(scope["extensions"][EXTENSION])

        response = DisclosureResponse(body, Disclosure(time.monotonic() + lease_s, settle))
        await response(scope, receive, watched)

    return app


@asynccontextmanager
async def server(app: Any, *, protocol: Any = DisclosureProtocol) -> AsyncIterator[int]:
    """uvicorn on a free port of this loop."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, access_log=False, ws="none")
    running = uvicorn.Server(config)
    task = asyncio.get_running_loop().create_task(running.serve(sockets=[listening]))
    while not running.started:
        await asyncio.sleep(0.005)
    yield listening.getsockname()[1]
    running.should_exit = True
    running.force_exit = True
    await task


async def main(size: int, lease_s: float, *, discard: bool) -> None:
    if not discard:
        Wire._linger = lambda _self, *, on: None  # type: ignore[method-assign]

    def say(*words: object) -> None:
        print(*words, flush=True)

    body = b"x" * size
    app = application(body, lease_s, lambda reach: say("settled", reach), lambda _wire: say("written"))
    async with server(app) as port:
        say("port", port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), discard=sys.argv[3] == "discard"))
