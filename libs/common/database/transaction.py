"""One request is one transaction, begun and committed here, at the edge of every service.

A transaction that the server sacrifices to another is begun again with the same ids, which every act of ours answers as
it did the first time. What leaves us not knowing, or unable, is a 503: the caller repeats the same ids, and nothing is
disclosed meanwhile (P9).
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request

from libs.common.database.database import Bell, Database, ReadSession, WriteSession, is_away, sqlstate
from libs.common.http.problems import UnavailableError

TRIES_MAX: Final = 5
_SACRIFICED: Final = frozenset({"40001", "40P01"})  # could not be serialised with another's work; deadlock

AnswerT = TypeVar("AnswerT")


async def transact(database: Database, bell: Bell, work: Callable[[WriteSession], Awaitable[AnswerT]]) -> AnswerT:
    """Run `work` in one transaction, commit it, and wake the relay. Raises UnavailableError, and what `work` raises.

    `work` may run TRIES_MAX times, each time in a transaction of its own: it leaves nothing behind but its rows.
    """
    for _ in range(TRIES_MAX):
        with available():
            try:
                async with database.write() as session:
                    answer = await work(session)
            except (asyncpg.PostgresError, DBAPIError) as error:
                if sqlstate(error) in _SACRIFICED:
                    continue
                raise
        bell.ring()
        return answer
    raise UnavailableError


async def committed(request: Request, work: Callable[[WriteSession], Awaitable[AnswerT]]) -> AnswerT:
    """`transact` with the database and the bell of the application that `request` came to."""
    return await transact(request.app.state.database, request.app.state.bell, work)


async def looked_up(request: Request, work: Callable[[ReadSession], Awaitable[AnswerT]]) -> AnswerT:
    """Run `work`, which reads only. Raises UnavailableError, and what `work` raises."""
    database: Database = request.app.state.database
    with available():
        async with database.read() as session:
            return await work(session)


@contextmanager
def available() -> Iterator[None]:
    """What a database that is away, or gives no answer, is to the caller: UnavailableError."""
    try:
        yield
    except Exception as error:
        if is_away(error):
            raise UnavailableError from error
        raise
