"""A deadlock that a server makes and resolves: the door is the one that is sacrificed, and nothing is imitated."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import asyncpg
from sqlalchemy import make_url

from tests.servers import Postgres, TestDatabase
from tests.waiting import until

AnswerT = TypeVar("AnswerT")
_WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::regclass"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def sacrificed(
    postgres: Postgres, database: TestDatabase, call: Awaitable[AnswerT], *, first: str, second: str
) -> AnswerT:
    """The answer to `call`, whose transaction touches the tables `first` and `second` in this order.

    Another session holds `second` and asks for `first` once the call waits. The server ends the wait that began first.
    """
    url = make_url(postgres.admin_url).set(drivername="postgresql", database=database.name)
    other = await asyncpg.connect(url.render_as_string(hide_password=False))
    watching = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await other.execute("SET deadlock_timeout = '60s'")
        async with other.transaction():
            await other.execute(f"LOCK TABLE {second} IN EXCLUSIVE MODE")
            calling = asyncio.ensure_future(call)

            async def waits() -> bool:
                return bool(await watching.fetchval(_WAITS, second))

            await until(waits)
            await other.execute(f"LOCK TABLE {first} IN ACCESS EXCLUSIVE MODE")
        answer = await calling

        async def counted() -> bool:
            return bool(await watching.fetchval(_DEADLOCKS))

        await until(counted)
        return answer
    finally:
        await other.close()
        await watching.close()
