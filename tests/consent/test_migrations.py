"""Law 10: up, down and up again; the code says what the database has; the runtime role may no more than it must."""

from uuid import UUID

import asyncpg
import pytest

from services.consent.database_rights import GRANTS
from services.consent.tables import metadata
from tests import finite
from tests.servers import Postgres, TestDatabase, alembic

PEOPLE = [UUID(int=n) for n in (1, 2, 3)]
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


async def tables(url: str) -> set[str]:
    session = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return {row["tablename"] for row in await session.fetch(TABLES)}
    finally:
        await session.close()


async def test_up_down_and_up_again_and_then_it_is_what_the_code_says(postgres: Postgres):
    postgres.role("consent_owner")
    postgres.role("consent")
    with postgres.database("consent", owner="consent_owner") as database:
        alembic("consent", database.owner_url, "upgrade", "head")
        assert await tables(database.owner_url) == set(metadata.tables)
        alembic("consent", database.owner_url, "downgrade", "base")
        assert await tables(database.owner_url) == set()
        alembic("consent", database.owner_url, "upgrade", "head")
        assert "No new upgrade operations detected" in alembic("consent", database.owner_url, "check")


async def test_what_an_older_installation_kept_is_kept(postgres: Postgres):
    """From 0001 with people in it: custody becomes facts, one for each day on which somebody else held it."""
    postgres.role("consent_owner")
    postgres.role("consent")
    with postgres.database("consent", owner="consent_owner") as database:
        alembic("consent", database.owner_url, "upgrade", "0001")
        session = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
        try:
            await session.execute(
                "INSERT INTO custody VALUES ($1, $2, '2020-01-01Z', '2023-01-01Z'), ($1, $3, '2021-01-01Z', NULL)",
                *PEOPLE,
            )
            await session.execute(
                "INSERT INTO coverage VALUES ($1, 'KOORDINERING', 'SOF-BCV', 'BIF-YDELSE', 'FREMMOEDE', 7)", PEOPLE[0]
            )
            alembic("consent", database.owner_url, "upgrade", "head")
            facts = await session.fetch("SELECT extract(year FROM at)::int, holders FROM custody_fact ORDER BY at")
            _, first, second = PEOPLE
            assert [tuple(row) for row in facts] == [(2020, [first]), (2021, [first, second]), (2023, [second])]
            assert await session.fetchval("SELECT since_at <= clock_timestamp() FROM coverage")
        finally:
            await session.close()


async def test_who_was_told_under_the_older_form_is_not_told_again(postgres: Postgres):
    """From 0002 with keys in the bus inbox: one with its notice, one of the first release, which left none."""
    postgres.role("consent_owner")
    postgres.role("consent")
    with postgres.database("consent", owner="consent_owner") as database:
        alembic("consent", database.owner_url, "upgrade", "0002")
        session = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
        try:
            columns = await session.fetch(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_name = 'consent' AND is_nullable = 'NO' AND column_name NOT IN ('consent_id', 'status')"
            )
            examples = {"uuid": "gen_random_uuid()", "integer": "1", "text": "'X'", "ARRAY": "'{}'"}
            values = [examples.get(row["data_type"], "now()") for row in columns]
            names = ", ".join(row["column_name"] for row in columns)
            for consent_id in PEOPLE[:2]:
                await session.execute(
                    f"INSERT INTO consent (consent_id, status, {names}) VALUES ($1, 'active', {', '.join(values)})",
                    consent_id,
                )
                await session.execute(
                    "INSERT INTO inbox VALUES ($1, $2)", "urn:samtykkebro:consent:expiry-notice", str(consent_id)
                )
            await session.execute(
                "INSERT INTO notice VALUES (gen_random_uuid(), $1, 'citizen', 'expiring_soon', $2, now())",
                PEOPLE[2],
                PEOPLE[0],
            )
            for revision in ("head", "0002", "head"):
                alembic("consent", database.owner_url, "downgrade" if revision == "0002" else "upgrade", revision)
                told = {row["object_id"] for row in await session.fetch("SELECT object_id FROM notice")}
                keys = await session.fetchval("SELECT count(*) FROM inbox")
                assert (told, keys) == (set(PEOPLE[:2]), 2 if revision == "0002" else 0)
        finally:
            await session.close()


def test_every_table_has_its_grants_and_no_other_is_named():
    assert set(GRANTS) == set(metadata.tables)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM receipt",
        "UPDATE receipt SET jws = ''",
        "UPDATE consent_history SET status = 'active'",
        "DELETE FROM consent",
        "UPDATE declaration SET method = ''",
        "DELETE FROM use_log",
        "UPDATE catalogue_entry SET version = 2",
        "DELETE FROM catalogue_revision",
        "UPDATE fence_generation SET generation = 0",
        "DELETE FROM citizen",
        "DROP TABLE consent",
        "CREATE TABLE mine (x int)",
    ],
)
async def test_the_runtime_role_may_not_rewrite_evidence_or_reference_data(
    consent_database: TestDatabase, statement: str
):
    session = await asyncpg.connect(consent_database.url.replace("+asyncpg", ""))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute(statement)
    finally:
        await session.close()


# Written by the service's own clock, or computed from it and the catalogue: nobody outside fills them.
BY_OUR_CLOCK = {
    *("consent.answer_by", "consent.ceiling_until", "consent_history.at", "consent_request.answer_by"),
    *("declaration.at", "notice.at", "permit.lease_until", "use_log.day"),
}
FILLED = {
    "attestation": ("conversed_at",),
    "authority": ("valid_from", "valid_to"),
    "case_fact": ("opened_at", "closed_at"),
    "catalogue_entry": ("valid_from", "valid_to"),
    "citizen": ("birth_date", "died_on", "moved_out_on", "moved_in_on"),
    "consent": ("valid_from", "valid_until"),
    "custody": ("valid_from", "valid_to"),
    "custody_fact": ("at",),
    "other_basis": ("valid_from", "valid_until"),
}


async def test_an_infinite_moment_or_day_is_repaired_once_and_then_gets_in_no_more(postgres: Postgres):
    postgres.role("consent_owner")
    postgres.role("consent")
    with postgres.database("consent", owner="consent_owner") as database:
        alembic("consent", database.owner_url, "upgrade", "0006")
        session = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
        try:
            for table, columns in FILLED.items():
                for end in ("'infinity'", "'-infinity'"):
                    await finite.insert(session, table, dict.fromkeys(columns, end))
            alembic("consent", database.owner_url, "upgrade", "head")
            for table, columns in FILLED.items():
                checks = " AND ".join(f"isfinite({column}) IS NOT FALSE" for column in columns)
                assert await session.fetchval(f"SELECT count(*) = 2 AND bool_and({checks}) FROM {table}"), table
                for column in columns:
                    with pytest.raises(asyncpg.CheckViolationError, match="finite_ck"):
                        await finite.insert(session, table, {column: "'infinity'"})
            assert await session.fetchval("SELECT count(*) FROM authority WHERE valid_to IS NULL") == 1
            open_ended = "SELECT body->>'valid_to' FROM catalogue_entry WHERE valid_to IS NULL"
            assert await session.fetchval(open_ended) is None
            alembic("consent", database.owner_url, "downgrade", "0006")
            alembic("consent", database.owner_url, "upgrade", "head")
            assert {name for name in await finite.unguarded(session) if not name.endswith("_at")} == BY_OUR_CLOCK
        finally:
            await session.close()


async def test_what_was_heard_before_there_were_marks_keeps_its_name(postgres: Postgres):
    """From 0010: the keys of sources' events are brought along, none of another producer's; down and up again."""
    postgres.role("consent_owner")
    postgres.role("consent")
    with postgres.database("consent", owner="consent_owner") as database:
        alembic("consent", database.owner_url, "upgrade", "0010")
        session = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
        try:
            await session.execute("INSERT INTO inbox VALUES ('cpr|urn:x', 'e1'), ('urn:samtykkebro:consent', 'e2')")
            for _ in range(2):
                alembic("consent", database.owner_url, "upgrade", "head")
                rows = await session.fetch("SELECT source, event_id, mark, corrected FROM reported_event")
                assert [tuple(row) for row in rows] == [("cpr|urn:x", "e1", None, False)]
                alembic("consent", database.owner_url, "downgrade", "0010")
                assert await session.fetchval("SELECT count(*) FROM inbox") == 2
        finally:
            await session.close()
