"""Runs the service's own transactions statement by statement, in an order that a test chooses.

Every session of a `stepped` database stops before each statement and before COMMIT until its actor is told to go on.
After each step the stage waits until every actor stands still: before its next statement, at its end, or, as the
server itself says, behind a lock. So a run is the same each time, and no test sleeps for luck.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import asyncpg
from sqlalchemy import event

from libs.common.database.database import Database, ReadSession, WriteSession, driver

COMMIT = "; COMMIT"
POOL = 8
LOOK_AGAIN_S = 0.001
_acting: ContextVar["Actor | None"] = ContextVar("acting", default=None)


class Actor:
    """One client's work, as far as it has come. `result`: what the work answered, from before its COMMIT on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.result: Any = None
        self.committed = False
        self.at = ""  # the statement that it stands before
        self.pid = 0
        self.task: asyncio.Task[None]
        self._go = asyncio.Event()
        self._stands = asyncio.Event()

    @property
    def ended(self) -> bool:
        return self.task.done()

    @property
    def stands(self) -> bool:
        return self.ended or self._stands.is_set()

    @property
    def error(self) -> BaseException | None:
        return self.task.exception() if self.ended and not self.task.cancelled() else None

    async def turn(self, session: asyncpg.Connection, statement: str) -> None:
        """Stand before a statement until told to go on."""
        self.pid, self.at = session.get_server_pid(), statement
        self._stands.set()
        await self._go.wait()
        self._go.clear()

    def go(self) -> None:
        self._stands.clear()
        self._go.set()

    async def settled(self, timeout_s: float) -> None:
        """Until it stands, or a moment has passed: it may stand behind a lock."""
        waits = [asyncio.ensure_future(self._stands.wait()), self.task]
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        waits[0].cancel()


class _Stepped(asyncpg.Connection):
    async def execute(self, query: str, *arguments: Any, **options: Any) -> str:
        if query == "ROLLBACK":
            return await super().execute(query, *arguments, **options)
        await _turn(self, query)
        tag: str = await super().execute(query, *arguments, **options)
        actor = _acting.get()
        if actor is not None and query.endswith(COMMIT):
            actor.committed = True
        return tag

    async def fetch(self, query: str, *arguments: Any, **options: Any) -> list[asyncpg.Record]:
        await _turn(self, query)
        return await super().fetch(query, *arguments, **options)

    async def fetchrow(self, query: str, *arguments: Any, **options: Any) -> asyncpg.Record | None:
        await _turn(self, query)
        return await super().fetchrow(query, *arguments, **options)

    async def fetchval(self, query: str, *arguments: Any, **options: Any) -> Any:
        await _turn(self, query)
        return await super().fetchval(query, *arguments, **options)

    async def prepare(self, query: str, **options: Any) -> Any:
        await _turn(self, query)
        return await super().prepare(query, **options)


async def _turn(session: asyncpg.Connection, statement: str) -> None:
    actor = _acting.get()
    if actor is not None:
        await actor.turn(session, statement)


async def stepped(url: str) -> Database:
    """A database of the service's own making whose sessions stop; all of them open, since opening one takes steps too.

    A test may take its time between two steps, so what ends a session that stands still is switched off here.
    """
    database = Database(url, application_name="stepped", pool_size=POOL)
    for engine in (database._reader, database._writer):
        event.listen(engine.sync_engine, "do_connect", _patiently)
    for opened in (database.read, database.write):
        sessions = [opened() for _ in range(POOL)]
        for session in sessions:
            await driver(await session.__aenter__()).fetchval("SELECT 1")
        for session in sessions:
            await session.__aexit__(None, None, None)
    return database


def _patiently(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
    waits = dict.fromkeys(("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"), "0")
    parameters["server_settings"] = parameters["server_settings"] | waits
    parameters["connection_class"] = _Stepped
    parameters["prepared_statement_cache_size"] = 0  # one kept would be a statement less to stop before


class Stage:
    """The actors under way, and a session of its own that knows who waits behind whom."""

    def __init__(self, database: Database, watcher: asyncpg.Connection) -> None:
        self.database = database
        self.watcher = watcher
        self.actors: list[Actor] = []

    async def write(self, name: str, work: Callable[[WriteSession], Awaitable[Any]]) -> Actor:
        """Start one transaction; it stands before its BEGIN."""

        async def transact(actor: Actor) -> None:
            async with self.database.write() as session:
                actor.result = await work(session)

        return await self.start(name, transact)

    async def start(self, name: str, work: Callable[[Actor], Awaitable[None]]) -> Actor:
        actor = Actor(name)

        async def act() -> None:
            _acting.set(actor)
            await work(actor)

        actor.task = asyncio.create_task(act())
        self.actors.append(actor)
        await self._still()
        return actor

    async def advance(self, actor: Actor) -> None:
        """One statement of this actor, and what it sets free."""
        if actor.stands and not actor.ended:
            actor.go()
            await self._still()

    async def crash(self, actor: Actor) -> None:
        """The client is gone. One that was committing has committed, and nobody hears of it."""
        actor.task.cancel()
        committing = actor.at.endswith(COMMIT)
        if committing:
            await asyncio.sleep(0)
            actor.go()
        await asyncio.wait([actor.task])
        await self._still()

    async def _still(self) -> None:
        while moving := [actor for actor in self.actors if not actor.stands]:
            await moving[-1].settled(LOOK_AGAIN_S)
            moving = [actor for actor in moving if not actor.stands]
            if moving and await self._all_blocked(moving):
                return

    async def _all_blocked(self, actors: Sequence[Actor]) -> bool:
        query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid = ANY($1::int[])"
        return bool(await self.watcher.fetchval(query, [actor.pid for actor in actors]) == len(actors))


async def plainly(database: Database, work: Callable[[ReadSession], Awaitable[Any]]) -> Any:
    """A read that stops nowhere."""
    async with database.read() as session:
        return await work(session)
