"""One request is one transaction, begun and committed here, at the edge.

A deadlock is repeated from the start with the same ids, which every act of ours answers as it did the first time. What
leaves us not knowing, or unable, is a 503: the caller repeats the same ids, and nothing is disclosed meanwhile (P9).
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request

from libs.common.database import Database, ReadSession, WriteSession, is_away, sqlstate
from libs.common.problems import UnavailableError

DEADLOCK_TRIES_MAX = 5
_DEADLOCK = "40P01"

AnswerT = TypeVar("AnswerT")


async def committed(request: Request, work: Callable[[WriteSession], Awaitable[AnswerT]]) -> AnswerT:
    """Run `work` in one transaction, commit it, and wake the relay. Raises UnavailableError, and what `work` raises."""
    database: Database = request.app.state.database
    for _ in range(DEADLOCK_TRIES_MAX):
        try:
            with available():
                async with database.write() as session:
                    answer = await work(session)
        except (asyncpg.PostgresError, DBAPIError) as error:
            if sqlstate(error) == _DEADLOCK:
                continue
            raise
        request.app.state.bell.ring()
        return answer
    raise UnavailableError


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
