"""One request is one transaction, begun and committed here, at the edge.

A deadlock is repeated from the start with the same ids, which every act of ours answers as it did the first time. What
leaves us not knowing, or unable, is a 503: the caller repeats the same ids, and nothing is disclosed meanwhile (P9).
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request

from libs.common.database import CommitUncertainError, Database, WriteSession
from libs.common.problems import UnavailableError

DEADLOCK_TRIES_MAX = 5
_DEADLOCK = "40P01"
_AWAY = ("08", "53", "55P03", "57")  # connection, resources, lock timeout, operator intervention or statement timeout

AnswerT = TypeVar("AnswerT")


async def committed(request: Request, work: Callable[[WriteSession], Awaitable[AnswerT]]) -> AnswerT:
    """Run `work` in one transaction, commit it, and wake the relay. Raises UnavailableError, and what `work` raises."""
    database: Database = request.app.state.database
    for _ in range(DEADLOCK_TRIES_MAX):
        try:
            async with database.write() as session:
                answer = await work(session)
        except (asyncpg.PostgresError, DBAPIError) as error:
            state = _sqlstate(error)
            if state == _DEADLOCK:
                continue
            if state.startswith(_AWAY):
                raise UnavailableError from error
            raise
        except (CommitUncertainError, PoolTimeoutError, OSError, asyncpg.InterfaceError) as error:
            raise UnavailableError from error
        request.app.state.bell.ring()
        return answer
    raise UnavailableError


def _sqlstate(error: Exception) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or "")
