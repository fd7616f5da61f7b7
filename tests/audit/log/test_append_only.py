"""Who may do what to the log: the runtime role adds and reads, and nobody changes what is there, the owner included."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import make_url

from libs.common.database.database import Database
from services.audit.checkpoints.key import LogKey
from services.audit.checkpoints.signer import Signer
from services.audit.log.consumer import EntryHandler
from tests.audit.world.records import a_delivery, ingest
from tests.servers import Postgres, TestDatabase

APPEND_ONLY = ("leaf", "batch", "subtree", "watermark", "checkpoint", "log_key")
ERASABLE = ("opening", "subject_key")
A_COLUMN = {
    "leaf": "body",
    "batch": "root",
    "subtree": "root",
    "watermark": "highest",
    "checkpoint": "note",
    "log_key": "origin",
    "opening": "ct",
    "subject_key": "wrapped_dek",
}


@pytest.fixture
async def filled(handler: EntryHandler, database: Database, log_key: LogKey) -> None:
    """A row in every table of the log."""
    await ingest(handler, database, [a_delivery(n) for n in range(1, 257)])
    await Signer(database, log_key, every_s=1, idle_s=1, memory=None).sign_once()


async def connect(url: str) -> asyncpg.Connection:
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.connect(dsn)


@pytest.fixture
async def runtime(audit_database: TestDatabase, filled: None) -> AsyncIterator[asyncpg.Connection]:
    session = await connect(audit_database.url)
    yield session
    await session.close()


@pytest.fixture
async def owner(audit_database: TestDatabase, filled: None) -> AsyncIterator[asyncpg.Connection]:
    session = await connect(audit_database.owner_url)
    yield session
    await session.close()


async def test_the_runtime_role_reads_every_table_of_the_log(runtime: asyncpg.Connection) -> None:
    for table in (*APPEND_ONLY, *ERASABLE):
        assert await runtime.fetchval(f"SELECT count(*) FROM {table}") > 0, table


async def test_the_runtime_role_may_not_change_remove_or_empty_anything(runtime: asyncpg.Connection) -> None:
    for table in (*APPEND_ONLY, *ERASABLE):
        column = A_COLUMN[table]
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
            f"SELECT 1 FROM {table} FOR UPDATE",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"DROP TABLE {table} CASCADE",
            f"CREATE RULE silent AS ON INSERT TO {table} DO INSTEAD NOTHING",
            f"ALTER TABLE {table} OWNER TO audit",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await runtime.execute(statement)


async def test_the_runtime_role_may_not_take_the_guards_away(runtime: asyncpg.Connection) -> None:
    for statement in (
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
        "DROP FUNCTION append_only() CASCADE",
        "CREATE TABLE leaf_elsewhere (LIKE leaf)",
        "SET ROLE audit_owner",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await runtime.execute(statement)
    await runtime.execute("GRANT DELETE ON leaf TO audit")  # PostgreSQL only warns, and grants nothing
    assert not await runtime.fetchval("SELECT has_table_privilege('leaf', 'DELETE')")


async def test_even_the_owner_meets_a_trigger(owner: asyncpg.Connection) -> None:
    for table in APPEND_ONLY:
        for statement in (
            f"UPDATE {table} SET {A_COLUMN[table]} = {A_COLUMN[table]}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await owner.execute(statement)


async def test_openings_and_keys_may_be_erased_by_a_role_that_is_given_it_but_never_changed(
    owner: asyncpg.Connection,
) -> None:
    for table in ERASABLE:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(f"UPDATE {table} SET {A_COLUMN[table]} = {A_COLUMN[table]}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(f"TRUNCATE {table} CASCADE")
    await owner.execute("DELETE FROM opening")
    await owner.execute("DELETE FROM subject_key")


async def test_the_triggers_hold_in_a_session_that_plays_a_replica(
    postgres: Postgres, audit_database: TestDatabase, filled: None
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        postgres.execute("SET session_replication_role = replica; DELETE FROM leaf", database=audit_database.name)


async def test_the_runtime_role_adds_no_leaf_that_is_not_what_it_says(runtime: asyncpg.Connection) -> None:
    columns = "leaf_index, leaf_hash, body, type, occurred_at, producer, generation, lane, number"
    fresh = (
        "SELECT 900, {hash}, {body}, {type}, {at}, {producer}, generation, lane, {number}"
        " FROM leaf WHERE leaf_index = 7"
    )
    same = {"hash": "leaf_hash", "body": "body", "type": "type", "at": "occurred_at", "producer": "producer"}
    body = "convert_to(replace(convert_from(body, 'UTF8'), '\"number\":8', '\"number\":900'), 'UTF8')"
    honest = same | {"body": body, "hash": f"sha256('\\x00'::bytea || {body})", "number": "900"}
    lies = (
        {"hash": "leaf_hash"},
        {"hash": f"sha256({body})"},
        {"type": "'entries.searched'"},
        {"at": "'2020-01-01T00:00:00Z'"},
        {"producer": "'advis'"},
        {"number": "901"},
        {"number": "NULL"},
    )
    for lie in lies:
        with pytest.raises(asyncpg.CheckViolationError):
            await runtime.execute(f"INSERT INTO leaf ({columns}) " + fresh.format(**honest | lie))
    await runtime.execute(f"INSERT INTO leaf ({columns}) " + fresh.format(**honest))


async def test_a_number_is_stored_once_whatever_the_code_believes(runtime: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await runtime.execute(
            "INSERT INTO leaf SELECT 901, leaf_hash, body, type, occurred_at, producer, generation, lane, number"
            " FROM leaf WHERE leaf_index = 7"
        )


async def test_there_is_one_line_of_batches(runtime: asyncpg.Connection) -> None:
    insert = (
        "INSERT INTO batch (tree_size, prev_size, root, frontier, recorded_at)"
        " VALUES ({}, {}, sha256(''), '{{}}', now())"
    )
    head = await runtime.fetchval("SELECT max(tree_size) FROM batch")
    for size, before in ((head + 1, 0), (0, "NULL"), (head + 1, "NULL")):
        with pytest.raises((asyncpg.UniqueViolationError, asyncpg.CheckViolationError)):
            await runtime.execute(insert.format(size, before))
    for size, before in ((head, head), (head - 1, head), (head + 5, head + 3)):
        with pytest.raises(
            (asyncpg.UniqueViolationError, asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError)
        ):
            await runtime.execute(insert.format(size, before))
