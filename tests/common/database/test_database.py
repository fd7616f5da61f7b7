"""What a transaction of ours promises, on a real PostgreSQL (docs/fence.md)."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from libs.common.consuming.inbox import is_outage
from libs.common.database import database as database_database
from libs.common.database.database import (
    IDLE_IN_TRANSACTION_MS,
    CommitUncertainError,
    Database,
    Session,
    clock,
    driver,
    is_away,
)
from libs.common.wire import values
from tests.servers import Postgres, TestDatabase
from tests.waiting import until

INSERT = text("INSERT INTO effect (id) VALUES (:id)")


@pytest.fixture(autouse=True)
def _limits_of_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_database, "IDLE_IN_TRANSACTION_MS", IDLE_IN_TRANSACTION_MS)


async def effects(database: Database) -> list[str]:
    async with database.read() as session:
        return list((await session.execute(text("SELECT id FROM effect ORDER BY at"))).scalars())


async def test_a_write_is_kept_on_a_clean_exit(database: Database):
    async with database.write() as session:
        await session.execute(INSERT, {"id": "kept"})
    assert await effects(database) == ["kept"]


async def test_a_write_is_undone_by_any_exception(database: Database):
    async def failing():
        async with database.write() as session:
            await session.execute(INSERT, {"id": "undone"})
            raise KeyError

    with pytest.raises(KeyError):
        await failing()
    assert await effects(database) == []


async def test_a_read_session_cannot_write(database: Database):
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.read() as session:
            await session.execute(INSERT, {"id": "never"})
    assert await effects(database) == []


async def test_a_swallowed_error_is_not_mistaken_for_a_commit(database: Database):
    """PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and without an error."""

    async def swallowing():
        async with database.write() as session:
            await session.execute(INSERT, {"id": "lost"})
            with suppress(DBAPIError):
                await session.execute(text("SELECT 1/0"))

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await swallowing()
    assert await effects(database) == []
    async with database.write() as session:
        await session.execute(INSERT, {"id": "next"})
    assert await effects(database) == ["next"]


async def test_isolation_is_read_committed_whatever_the_server_defaults_to(
    database: Database, postgres: Postgres, plain_database: TestDatabase
):
    postgres.execute(
        f"ALTER ROLE plain IN DATABASE {plain_database.name} SET default_transaction_isolation = 'serializable'"
    )
    async with database.write() as session:
        assert (await session.execute(text("SHOW transaction_isolation"))).scalar() == "read committed"
    async with database.read() as session:
        assert (await session.execute(text("SHOW transaction_isolation"))).scalar() == "read committed"


async def test_a_later_statement_sees_what_was_committed_meanwhile(database: Database):
    async with database.write() as session:
        assert (await session.execute(text("SELECT count(*) FROM effect"))).scalar() == 0
        async with database.write() as other:
            await other.execute(INSERT, {"id": "meanwhile"})
        assert (await session.execute(text("SELECT count(*) FROM effect"))).scalar() == 1


async def test_the_clock_is_now_and_not_the_start_of_the_transaction(database: Database):
    async with database.write() as session:
        first = await clock(session)
        second = await clock(session)
    assert second > first
    assert first.utcoffset() is not None


async def test_the_driver_writes_inside_the_same_transaction(database: Database):
    """As the first action too: SQLAlchemy begins lazily, and a COPY before that was kept after a rollback (seen)."""

    async def copying():
        async with database.write() as session:
            await driver(session).copy_records_to_table("effect", records=[("copied",)], columns=["id"])
            raise KeyError

    with pytest.raises(KeyError):
        await copying()
    assert await effects(database) == []


@pytest.fixture
async def slow_commit(database: Database, postgres: Postgres, plain_database: TestDatabase):
    """COMMIT waits, in a deferred trigger, until the advisory lock 7 is free. Yields the session that holds it."""
    postgres.execute(
        "CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER waiting AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION wait_at_commit()",
        database=plain_database.name,
    )
    holder = await database.connect_alone("test")
    await holder.execute("SELECT pg_advisory_lock(7)")
    yield holder
    await holder.close()


async def waiting_commits(holder: asyncpg.Connection) -> int:
    return await holder.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


async def write_one(database: Database, identity: str) -> None:
    async with database.write() as session:
        await session.execute(INSERT, {"id": identity})


async def test_a_cancelled_caller_waits_for_its_commit(database: Database, slow_commit: asyncpg.Connection):
    writing = asyncio.create_task(write_one(database, "committed"))
    await until(lambda: waiting_commits(slow_commit))
    for _ in range(3):
        writing.cancel()
        done, _ = await asyncio.wait([writing], timeout=0.05)
        assert not done
    await slow_commit.execute("SELECT pg_advisory_unlock(7)")
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await effects(database) == ["committed"]


async def test_a_commit_outlives_the_statement_timeout(database: Database, slow_commit: asyncpg.Connection):
    async def writing():
        async with database.write() as session:
            await session.execute(text("SET LOCAL statement_timeout = '50ms'"))
            await session.execute(text("SET LOCAL lock_timeout = 0"))
            await session.execute(INSERT, {"id": "patient"})

    task = asyncio.create_task(writing())
    await until(lambda: waiting_commits(slow_commit))
    done, _ = await asyncio.wait([task], timeout=0.3)  # six times the statement timeout
    assert not done
    await slow_commit.execute("SELECT pg_advisory_unlock(7)")
    await task
    assert await effects(database) == ["patient"]


async def test_a_cancelled_transaction_leaves_no_session_inside_one(database: Database, slow_commit):
    """Cancelled before the commit: rolled back, and the pooled session begins anew."""

    async def holding():
        async with database.write() as session:
            await session.execute(INSERT, {"id": "never"})
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(holding()) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await slow_commit.execute("SELECT pg_advisory_unlock(7)")
    await write_one(database, "after")
    assert await effects(database) == ["after"]


async def test_a_warning_on_commit_is_a_failure(database: Database, postgres: Postgres, plain_database: TestDatabase):
    """As the server says when a standby's acknowledgement was given up: committed here, perhaps only here."""
    postgres.execute(
        "CREATE FUNCTION warn_at_commit() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER warning AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION warn_at_commit()",
        database=plain_database.name,
    )
    with pytest.raises(CommitUncertainError):
        await write_one(database, "uncertain")


async def test_a_notice_on_commit_is_none(database: Database, postgres: Postgres, plain_database: TestDatabase):
    postgres.execute(
        "CREATE FUNCTION note_at_commit() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE NOTICE 'nothing'; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER noting AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION note_at_commit()",
        database=plain_database.name,
    )
    await write_one(database, "fine")


async def test_a_session_lost_before_its_commit_is_uncertain_and_the_pool_recovers(database: Database):
    admin = await database.connect_alone("test")

    async def losing():
        async with database.write() as session:
            await session.execute(INSERT, {"id": "lost"})
            backend = driver(session).get_server_pid()
            await admin.execute("SELECT pg_terminate_backend($1)", backend)
            await until(lambda: _gone(admin, backend))

    with pytest.raises(CommitUncertainError):
        await losing()
    await write_one(database, "next")
    assert await effects(database) == ["next"]
    await admin.close()


async def _gone(admin: asyncpg.Connection, backend: int) -> bool:
    return not await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend)


async def test_sessions_closed_by_the_server_while_pooled_are_replaced(database: Database):
    pooled: list[asyncpg.Connection] = []

    async def write_and_note(identity: str) -> None:
        async with database.write() as session:
            pooled.append(driver(session))
            await session.execute(INSERT, {"id": identity})

    await asyncio.gather(*(write_and_note(str(n)) for n in range(4)))
    assert len(await effects(database)) == 4
    admin = await database.connect_alone("test")
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'test' AND datname = current_database()"
    )

    async def noticed() -> bool:
        return all(session.is_closed() for session in pooled)

    await until(noticed)
    await asyncio.gather(*(write_one(database, str(n)) for n in range(4, 8)))
    assert len(await effects(database)) == 8
    await admin.close()


async def test_a_paused_transaction_loses_its_locks_within_half_a_second(database: Database):
    """A process stopped inside a transaction must not hold a scope's row (docs/fence.md, Acquire)."""
    await write_one(database, "scope")
    locked = asyncio.Event()

    async def paused():
        async with database.write() as session:
            await session.execute(text("SELECT FROM effect WHERE id = 'scope' FOR UPDATE"))
            locked.set()
            await asyncio.sleep(20 * IDLE_IN_TRANSACTION_MS / 1000)

    task = asyncio.create_task(paused())
    await locked.wait()
    started = asyncio.get_running_loop().time()
    async with database.write() as session:
        await session.execute(text("SELECT FROM effect WHERE id = 'scope' FOR UPDATE"))
    assert asyncio.get_running_loop().time() - started < 4 * IDLE_IN_TRANSACTION_MS / 1000
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_every_session_sets_its_timeouts(database: Database):
    expected = {
        "idle_in_transaction_session_timeout": "500ms",
        "lock_timeout": "5s",
        "statement_timeout": "10s",
        "default_transaction_isolation": "read committed",
    }
    alone = await database.connect_alone("test")
    for name, value in expected.items():
        assert await alone.fetchval(f"SHOW {name}") == value
        for opened in (database.read(), database.write()):
            async with opened as session:
                assert (await session.execute(text(f"SHOW {name}"))).scalar() == value
    await alone.close()


@pytest.mark.parametrize("error", [asyncpg.InterfaceError("closed"), asyncpg.InternalClientError("in mid-word")])
def test_a_session_that_cannot_be_used_any_more_is_an_absent_database(error: Exception) -> None:
    """A caller hears 503 and repeats the same ids; never a 500 that would make them give up (P9)."""
    assert is_away(error)


def test_an_argument_that_cannot_be_encoded_is_no_absent_database() -> None:
    assert not is_away(asyncpg.DataError("an int is wanted"))


TEMPORARY = {
    *("08006", "25006", "25P03", "28P01", "3D000", "40001", "40P01"),
    *("53300", "55P03", "57014", "57P01", "58030", "XX000"),
}
LASTING = {"22P02", "22003", "23505", "23503", "42P01", "21000", "0A000", "P0001"}


@pytest.mark.parametrize("state", sorted(TEMPORARY | LASTING))
def test_whether_time_can_help_is_judged_once_for_doors_consumers_and_sweeps(state: str) -> None:
    error = asyncpg.PostgresError("as the server says")
    error.sqlstate = state
    for raised in (error, DBAPIError("SELECT 1", None, error)):
        assert is_away(raised) is (state in TEMPORARY)
        assert is_outage(raised) is (state in TEMPORARY)


Way = Callable[[Session], Awaitable[object]]
WAYS: dict[str, Way] = {
    "through SQLAlchemy": lambda session: session.exec_driver_sql("SELECT pg_sleep(9)"),
    "through the driver": lambda session: driver(session).execute("SELECT pg_sleep(9)"),
}
a_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@a_way
async def test_a_session_whose_end_is_half_read_is_an_absent_database_and_is_replaced(
    plain_database: TestDatabase, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that stood still reads the server's farewell first and the closed connection a turn of its loop later.

    In between asyncpg says InternalClientError, which is none of its InterfaceErrors: a consumer would take it for the
    record's fault, and a loop that waits out an absent database would end of it.
    """
    monkeypatch.setattr(database_database, "IDLE_IN_TRANSACTION_MS", 100)
    database = Database(plain_database.url, application_name="test", pool_size=1)
    heard = []
    for turns in range(5):
        with pytest.raises(Exception) as failed:  # noqa: PT011 - which one depends on how much has been read
            await _stand_still(database, 0.3, turns, way)
        assert is_away(failed.value), turns
        assert isinstance(failed.value, database_database.FAILURES), turns
        assert await effects(database) == []
        heard.append(str(failed.value))
    await database.close()
    assert "cannot switch to state" in " ".join(heard)  # the half-read end is among them


async def _stand_still(database: Database, stop_s: float, turns: int, way: Way) -> None:
    async with database.write() as session:
        await session.exec_driver_sql("SELECT 1")
        time.sleep(stop_s)
        for _ in range(turns):
            await asyncio.sleep(0)
        await way(session)


async def _within(timeout_s: float, open_session: Callable[[], Any], way: Way) -> None:
    async with asyncio.timeout(timeout_s), open_session() as session:
        await way(session)


@a_way
@pytest.mark.parametrize("kind", ["read", "write"])
async def test_who_gives_up_on_a_server_that_hangs_is_let_go_and_the_session_is_replaced(
    plain_database: TestDatabase, way: Way, kind: str
) -> None:
    """The pool must not keep a session that still waits for its cancelled statement: the next one would wait too."""
    database = Database(plain_database.url, application_name="test", pool_size=1)
    open_session = {"read": database.read, "write": database.write}[kind]
    async with open_session() as session:
        hanging = driver(session)
        pid = await hanging.fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(15):
            with pytest.raises(TimeoutError):
                await _within(0.1, open_session, way)
            async with open_session() as session:
                assert await driver(session).fetchval("SELECT pg_backend_pid()") != pid
    finally:
        os.kill(pid, signal.SIGCONT)
        await database.close()
    assert hanging.is_closed()


async def test_every_moment_and_day_that_a_door_accepts_reads_back_equal(database: Database):
    """The window lies inside what the driver and the server can both say: nothing in it comes back as another."""
    span = values.MOMENT_LATEST - values.MOMENT_EARLIEST
    moments = [values.MOMENT_EARLIEST, values.MOMENT_LATEST]
    moments += [values.MOMENT_EARLIEST + span * part // 997 for part in range(997)]
    days = [moment.date() for moment in moments]
    query = "SELECT m, d, isfinite(m) AND isfinite(d) FROM unnest($1::timestamptz[], $2::date[]) AS x (m, d)"
    async with database.read() as session:
        found = await driver(session).fetch(query, moments, days)
    assert [tuple(row) for row in found] == [(moment, day, True) for moment, day in zip(moments, days, strict=True)]
    written = [values.parse_moment(values.format_moment(row[0])) for row in found]
    assert written == moments
