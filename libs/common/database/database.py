"""One service's PostgreSQL: a reader that cannot write, and a writer whose commit is never in doubt silently.

Rules (docs/fence.md): transactions are READ COMMITTED by statement, not by a server's default. COMMIT is neither
cancelled nor timed out, since a cancelled wait for a synchronous standby reports success; a WARNING on it, or any
other answer than COMMIT, is a failure. A paused process loses its session, and with it its locks, in half a second.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NewType, cast

import asyncpg
import orjson
from sqlalchemy import event, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from libs.common.http.admission import Reserve

ReadSession = NewType("ReadSession", AsyncConnection)
WriteSession = NewType("WriteSession", AsyncConnection)
Session = ReadSession | WriteSession

IDLE_IN_TRANSACTION_MS = 500
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5.0
ROLLBACK_S_MAX = 1.0  # a server that hangs must not hold the caller who gave up; closing the session rolls back too
POOL_TIMEOUT_S = 5.0

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_COMMIT = "SET LOCAL statement_timeout = 0; COMMIT"  # one round trip; the timeout would cancel a standby's wait
# SQLSTATE classes that time may mend: connection, transaction state, authorisation, rollback, resources, object state,
# intervention, system error, configuration, internal. All others are what somebody made a statement do.
_AWAY = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58", "F0", "XX"})
_UNUSABLE = (asyncpg.InterfaceError, asyncpg.InternalClientError)  # the second: the server's farewell is half read
_LOST = (*_UNUSABLE, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


class CommitUncertainError(Exception):
    """COMMIT was sent, and what came back does not prove that it is durable. Repeat the same ids."""


FAILURES = (OSError, SQLAlchemyError, asyncpg.PostgresError, *_UNUSABLE, CommitUncertainError)
"""Whatever a database's absence or refusal raises; for a loop that waits it out. `is_away` tells which it was."""


class Database:
    """Two pools on one address. `application_name` is what pg_stat_activity shows; `reserved` of each: `Reserve`."""

    def __init__(self, url: str, *, application_name: str, pool_size: int = 10, reserved: int = 0) -> None:
        self._url = url
        self._name = application_name
        self._reads, self._writes = (Reserve(pool_size, reserved, POOL_TIMEOUT_S) for _ in range(2))
        self._reader = self._engine(pool_size, default_transaction_read_only="on")
        self._writer = self._engine(pool_size)
        self.pools: Mapping[str, AsyncEngine] = {"reader": self._reader, "writer": self._writer}

    def _engine(self, pool_size: int, **session: str) -> AsyncEngine:
        engine = create_async_engine(
            self._url,
            isolation_level="AUTOCOMMIT",  # the driver's own transactions stay out: BEGIN and COMMIT are ours
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            connect_args={"server_settings": session_settings(self._name) | session, "timeout": CONNECT_TIMEOUT_S},
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        event.listen(engine.sync_engine, "checkout", _refuse_closed)
        return engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Each statement its own snapshot; any write is refused by the server."""
        async with self._reads.turn(), self._reader.connect() as connection:
            session = driver(ReadSession(connection))
            try:
                yield ReadSession(connection)
            except (asyncio.CancelledError, TimeoutError):
                await _uninterrupted(_rollback(session))  # the pool's next user would wait for the cancelled statement
                raise

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """One transaction: committed on a clean exit, rolled back on any exception.

        Raises `CommitUncertainError`. Cancelled during the commit, it waits for the answer and is cancelled then.
        """
        async with self._writes.turn(), self._writer.connect() as connection:
            session = WriteSession(connection)
            async with transaction(driver(session)):
                yield session

    async def connect_alone(self, purpose: str) -> asyncpg.Connection:
        """A session outside the pools, for session locks and LISTEN. The caller closes it."""
        return await connect_alone(self._url, f"{self._name} {purpose}")

    async def close(self) -> None:
        """Close every pooled session."""
        await self._reader.dispose()
        await self._writer.dispose()


def is_away(error: BaseException) -> bool:
    """Whether time alone can help: the database gave no answer to rely on, and nothing is wrong with what was asked.

    The one judgement of every door, consumer and sweep. Repeat the same ids.
    """
    if isinstance(error, (CommitUncertainError, PoolTimeoutError, OSError, *_UNUSABLE)):
        return not isinstance(error, ValueError)  # asyncpg's DataError is both: an argument it cannot encode
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or sqlstate(error)[:2] in _AWAY


def sqlstate(error: BaseException) -> str:
    """The server's five-character code (PostgreSQL, Appendix A); empty where there is none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or "")


async def clock(session: Session) -> datetime:
    """The database's clock now, not the transaction's start; aware, UTC (docs/fence.md)."""
    return cast(datetime, await driver(session).fetchval("SELECT clock_timestamp()")).astimezone(UTC)


def driver(session: Session) -> asyncpg.Connection:
    """The asyncpg connection under `session`, inside the same transaction: for COPY and hand-made statements."""
    proxied = session.sync_connection
    assert proxied is not None
    return cast(asyncpg.Connection, proxied.connection.driver_connection)


def session_settings(application_name: str) -> dict[str, str]:
    """The server settings of every session of ours; times in ms, keepalives in s."""
    return {
        "application_name": application_name[:63],
        "default_transaction_isolation": "read committed",
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "synchronous_commit": "on",  # whatever the server defaults to: an answer rests on what is durable
        "tcp_keepalives_idle": "10",
        **dict.fromkeys(("tcp_keepalives_interval", "tcp_keepalives_count"), "3"),
    }


async def connect_alone(url: str, application_name: str) -> asyncpg.Connection:
    """A single asyncpg session on an SQLAlchemy address, with our session settings."""
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=session_settings(application_name))


@asynccontextmanager
async def transaction(session: asyncpg.Connection) -> AsyncIterator[None]:
    """One transaction on `session`, with the promises of `Database.write`."""
    try:
        await session.execute(_BEGIN)
        yield
    except BaseException:
        await _uninterrupted(_rollback(session))
        raise
    await _uninterrupted(_commit(session))


async def _commit(session: asyncpg.Connection) -> None:
    severities: set[str] = set()

    def heard(_: object, notice: asyncpg.PostgresLogMessage) -> None:
        severities.add(notice.severity_en or notice.severity)

    try:
        session.add_log_listener(heard)
        tag = await session.execute(_COMMIT)
    except (OSError, *_LOST) as error:
        session.terminate()
        raise CommitUncertainError from error
    except BaseException:
        await _rollback(session)
        raise
    finally:
        if not session.is_closed():
            session.remove_log_listener(heard)
    if tag != "COMMIT" or "WARNING" in severities:
        raise CommitUncertainError


async def _rollback(session: asyncpg.Connection) -> None:
    """Leave neither a transaction nor a statement behind, or close the session: the pool replaces what is closed."""
    if session.is_closed():
        return
    try:
        await session.execute("ROLLBACK", timeout=ROLLBACK_S_MAX)  # waits for what was cancelled, too
    except FAILURES:
        session.terminate()


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end however often the caller is cancelled, then let the cancellation through."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:  # noqa: BLE001 - raised by task.result() below
            break
    if cancelled is not None and task.exception() is None:
        raise cancelled
    task.result()


def _refuse_closed(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    """A pooled session that the server has closed is replaced, at no round trip, and so are its elders."""
    if dbapi_connection.driver_connection.is_closed():
        raise InvalidatePoolError


class Bell:
    """Wakes a reader of a table: at once in this process, in others by a coalesced NOTIFY on a session of its own.

    Never in the business transaction: a pending NOTIFY takes an instance-wide lock at commit and costs two thirds
    of the throughput (measured). A lost ring costs one poll, nothing else. Without a database it rings in this
    process only.
    """

    def __init__(self, database: Database | None = None, channel: str = "outbox") -> None:
        self._database = database
        self._channel = channel
        self._rung = asyncio.Event()
        self._to_notify = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Call after the commit that appended something. Never blocks, never fails."""
        self._rung.set()
        self._to_notify.set()
        if self._database is not None and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._notify(self._database))

    def heard(self, *_: object) -> None:
        """Listener of LISTEN: somebody rang: wake this process's reader, tell nobody."""
        self._rung.set()

    async def wait(self, timeout_s: float) -> None:
        """Returns on the next ring, one that came since the last wait, or after `timeout_s`."""
        with suppress(TimeoutError):  # not wait_for, which can lose a cancellation on Python 3.11
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        self._rung.clear()

    async def close(self) -> None:
        """Stop notifying."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _notify(self, database: Database) -> None:
        with suppress(*FAILURES):
            session = await database.connect_alone("bell")
            try:
                while await self._to_notify.wait():
                    self._to_notify.clear()
                    await session.execute(f"NOTIFY {self._channel}")
            finally:
                session.terminate()
