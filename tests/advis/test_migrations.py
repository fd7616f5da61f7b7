"""The history of the advis database: up, down and up again, equal to the tables, and no right too many."""

import asyncpg
import pytest
from sqlalchemy import make_url

from services.advis.database_rights import GRANTS
from services.advis.tables import metadata
from tests import finite
from tests.servers import Postgres, TestDatabase, alembic


async def tables(database: TestDatabase) -> set[str]:
    dsn = make_url(database.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    session = await asyncpg.connect(dsn)
    try:
        found = await session.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in found}
    finally:
        await session.close()


async def test_up_down_and_up_again_leaves_what_the_tables_say(postgres: Postgres):
    postgres.role("advis")
    postgres.role("advis_owner")
    with postgres.database("advis", owner="advis_owner") as database:
        alembic("advis", database.owner_url, "upgrade", "head")
        assert await tables(database) == {*metadata.tables, "alembic_version"}
        alembic("advis", database.owner_url, "downgrade", "base")
        assert await tables(database) == {"alembic_version"}
        alembic("advis", database.owner_url, "upgrade", "head")
        assert "No new upgrade operations detected" in alembic("advis", database.owner_url, "check")


async def test_the_runtime_role_may_do_what_is_granted_and_own_nothing(advis_database: TestDatabase):
    dsn = make_url(advis_database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    session = await asyncpg.connect(dsn)
    try:
        for table, rights in GRANTS.items():
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                allowed = await session.fetchval("SELECT has_table_privilege($1, $2)", table, right)
                assert allowed is (right in rights), (table, right)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute("DROP TABLE notification")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute("TRUNCATE case_registry")
    finally:
        await session.close()


async def test_an_infinite_moment_is_repaired_once_and_then_gets_in_no_more(postgres: Postgres):
    """A case whose newest change lay at the beginning of time was deaf to nothing; one at its end, to everything."""
    postgres.role("advis")
    postgres.role("advis_owner")
    filled = {"case_registry": ("opened_at", "closed_at", "as_of"), "notification": ("occurred_at",)}
    with postgres.database("advis", owner="advis_owner") as database:
        alembic("advis", database.owner_url, "upgrade", "0003")
        dsn = make_url(database.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
        session = await asyncpg.connect(dsn)
        try:
            for table, columns in filled.items():
                for end in ("'infinity'", "'-infinity'"):
                    await finite.insert(session, table, dict.fromkeys(columns, end))
            alembic("advis", database.owner_url, "upgrade", "head")
            for table, columns in filled.items():
                checks = " AND ".join(f"isfinite({column})" for column in columns)
                assert await session.fetchval(f"SELECT count(*) = 2 AND bool_and({checks}) FROM {table}"), table
                for column in columns:
                    with pytest.raises(asyncpg.CheckViolationError, match="finite_ck"):
                        await finite.insert(session, table, {column: "'-infinity'"})
            assert await session.fetchval("SELECT bool_and(as_of <= clock_timestamp()) FROM case_registry")
            unguarded = await finite.unguarded(session)
            assert not {name for name in unguarded if not name.endswith("_at")}
            alembic("advis", database.owner_url, "downgrade", "0003")
        finally:
            await session.close()


async def test_cases_and_keys_of_an_older_installation_can_be_corrected(postgres: Postgres):
    """From 0009: each case brings the steps that it shows, each key of a source's event its name; down and up again."""
    postgres.role("advis")
    postgres.role("advis_owner")
    with postgres.database("advis", owner="advis_owner") as database:
        alembic("advis", database.owner_url, "upgrade", "0009")
        dsn = make_url(database.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
        session = await asyncpg.connect(dsn)
        try:
            await session.execute(
                "INSERT INTO case_registry (unit, case_reference, borger_id, caseworker, opened_at, closed_at, as_of)"
                " VALUES ('U', '1', gen_random_uuid(), 'bif101', '2026-01-01Z', '2026-01-02Z', '2026-01-02Z'),"
                " ('U', '2', gen_random_uuid(), 'bif102', '2026-01-03Z', NULL, '2026-01-03Z')"
            )
            await session.execute(
                "INSERT INTO inbox (source, event_id) VALUES ('domus|urn:x', 'e1'), ('urn:samtykkebro:consent', 'e2')"
            )
            for _ in range(2):
                alembic("advis", database.owner_url, "upgrade", "head")
                steps = await session.fetch(
                    "SELECT case_reference, step, caseworker, extract(day FROM at AT TIME ZONE 'UTC')::int"
                    " FROM case_step ORDER BY 1, 2"
                )
                expected = [("1", "aabnet", "bif101", 1), ("1", "lukket", None, 2), ("2", "aabnet", "bif102", 3)]
                assert [tuple(row) for row in steps] == expected
                keys = await session.fetch("SELECT source, event_id, mark, corrected FROM reported_event")
                assert [tuple(row) for row in keys] == [("domus|urn:x", "e1", None, False)]
                alembic("advis", database.owner_url, "downgrade", "0009")
                assert await session.fetchval("SELECT count(*) FROM case_registry") == 2
        finally:
            await session.close()
