"""The four calls of a supervisor to consent, at the HTTP boundary: it remembers the order, and who lived when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from aiohttp import web


def lives(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


@dataclass
class ConsentDouble:
    """`events` are ("register" | "dead:<proof>", holder id). `wrong` lists deaths confirmed of the living."""

    pids: Path  # a file per holder id, written by the child, holding its pid
    events: list[tuple[str, UUID]] = field(default_factory=list)
    ordered: set[UUID] = field(default_factory=set)
    wrong: list[UUID] = field(default_factory=list)
    polls: int = 0
    refuse_deaths: int = 0  # how many of the next confirmations are answered 503
    lose_answers: int = 0  # how many of the next registrations take effect and are answered 500
    hold_answers: bool = False  # registrations take effect and are not answered
    url: str = ""
    living: list[dict[str, object]] = field(default_factory=list)
    bearers: set[str] = field(default_factory=set)

    @property
    def registered(self) -> list[UUID]:
        return [holder for event, holder in self.events if event == "register"]

    @property
    def dead(self) -> list[tuple[str, UUID]]:
        return [(event.removeprefix("dead:"), holder) for event, holder in self.events if event != "register"]

    def pid_of(self, holder_id: UUID) -> int | None:
        file = self.pids / str(holder_id)
        return int(file.read_text()) if file.exists() and file.read_text() else None

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/v1/holders", self._register)
        app.router.add_get("/v1/holders", self._living)
        app.router.add_get("/v1/holders/{supervisor}/{name}/orders", self._orders)
        app.router.add_post("/v1/holders/{holder_id}:dead", self._dead)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = "http://127.0.0.1:" + str(runner.addresses[0][1])
        try:
            yield self.url
        finally:
            await runner.cleanup()

    async def _register(self, request: web.Request) -> web.Response:
        self.bearers.add(request.headers["authorization"])
        body = await request.json()
        self.events.append(("register", UUID(body["holder_id"])))
        if self.hold_answers:
            await asyncio.Event().wait()
        if self.lose_answers:
            self.lose_answers -= 1
            return web.Response(status=500)
        return web.json_response({"holder_id": body["holder_id"], "token": f"{body['holder_id']}.secret"}, status=201)

    async def _living(self, _: web.Request) -> web.Response:
        return web.json_response({"holders": self.living})

    async def _orders(self, _: web.Request) -> web.Response:
        self.polls += 1
        return web.json_response({"holder_ids": [str(holder) for holder in self.ordered]})

    async def _dead(self, request: web.Request) -> web.Response:
        holder = UUID(request.match_info["holder_id"])
        pid = self.pid_of(holder)
        if pid is not None and lives(pid):
            self.wrong.append(holder)
        if self.refuse_deaths:
            self.refuse_deaths -= 1
            return web.Response(status=503)
        if holder not in self.registered:
            return web.json_response({"status": 404}, status=404)
        self.events.append((f"dead:{(await request.json())['proof']}", holder))
        self.ordered.discard(holder)
        return web.Response(status=204)
