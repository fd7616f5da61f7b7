"""Roles and databases: each service its own, made by us or by `init.sql` alike, and no way into another's."""

import base64
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from libs.cli.bus.bus_grants import ROLE_PREFIX
from libs.cli.installation import postgres_binaries
from libs.cli.installation.databases import BUS, SERVICES, DatabaseUrls, bus_urls, ensure_databases, scram_verifier
from libs.cli.installation.postgres import PostgresServer
from libs.cli.installation.secrets import Secrets, prepare
from libs.cli.processes.local_parts import RunUser
from tests.cli.world.places import server_folder
from tests.tree import DEPLOY

INIT_SQL = DEPLOY / "postgres" / "init.sql"
BUS_ROLES = {f"{ROLE_PREFIX}{service}" for service in SERVICES}
ROLES = {*SERVICES, *(f"{service}_owner" for service in SERVICES), BUS, *BUS_ROLES}
SNAPSHOT = """
SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolinherit,
       rolpassword IS NOT NULL AS has_password
FROM pg_authid WHERE rolname = ANY($1) ORDER BY rolname
"""
DATABASES = """
SELECT datname, pg_get_userbyid(datdba) AS owner, datacl::text, pg_encoding_to_char(encoding) AS encoding
FROM pg_database WHERE datname = ANY($1) ORDER BY datname
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with server_folder() as folder, PostgresServer.start(folder / "data", settings={"fsync": "off"}) as started:
        yield started


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return prepare(tmp_path / "secrets")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()


async def snapshot(server: PostgresServer) -> list[dict[str, object]]:
    async with connected(server.admin_url) as admin:
        roles = await admin.fetch(SNAPSHOT, list(ROLES))
        databases = await admin.fetch(DATABASES, [*SERVICES, BUS])
    return [dict(row) for row in (*roles, *databases)]


def elsewhere(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


async def test_every_role_reaches_its_own_database_and_no_other(server: PostgresServer, secrets: Secrets) -> None:
    urls = await ensure_databases(server.admin_url, secrets)
    assert set(urls) == {*SERVICES, BUS}
    for name, mine in urls.items():
        for url in {mine.runtime, mine.owner}:
            async with connected(url) as connection:
                assert await connection.fetchval("SELECT current_database()") == name
            for other in {*urls, "postgres"} - {name, "postgres"}:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connected(elsewhere(url, other)):
                        pass


async def test_a_services_role_on_the_embedded_bus_reaches_that_database_alone(
    server: PostgresServer, secrets: Secrets
) -> None:
    await ensure_databases(server.admin_url, secrets)
    for service, url in bus_urls(server.admin_url, secrets).items():
        async with connected(url) as connection:
            assert await connection.fetchval("SELECT session_user") == f"{ROLE_PREFIX}{service}"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connected(elsewhere(url, service)):
                pass


async def test_the_owner_may_make_tables_and_the_runtime_role_may_not_even_read_them(
    server: PostgresServer, secrets: Secrets
) -> None:
    urls = (await ensure_databases(server.admin_url, secrets))["consent"]
    async with connected(urls.owner) as owner:
        await owner.execute("CREATE TABLE citizen (n int)")
    async with connected(urls.runtime) as runtime:
        for refused in ("SELECT n FROM citizen", "CREATE TABLE mine (n int)", "CREATE TEMPORARY TABLE mine (n int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await runtime.execute(refused)


async def test_the_bus_role_may_make_its_own_tables(server: PostgresServer, secrets: Secrets) -> None:
    urls = (await ensure_databases(server.admin_url, secrets))[BUS]
    assert urls.runtime == urls.owner
    async with connected(urls.runtime) as bus:
        await bus.execute("CREATE TABLE record (n int)")


async def test_no_role_may_make_roles_or_databases(server: PostgresServer, secrets: Secrets) -> None:
    for urls in (await ensure_databases(server.admin_url, secrets)).values():
        for url in {urls.runtime, urls.owner}:
            async with connected(url) as connection:
                for refused in ("CREATE ROLE mine", "CREATE DATABASE mine"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(refused)


async def test_repeating_changes_nothing_and_keeps_what_is_stored(server: PostgresServer, secrets: Secrets) -> None:
    urls = await ensure_databases(server.admin_url, secrets)
    async with connected(urls["audit"].owner) as owner:
        await owner.execute("CREATE TABLE leaf AS SELECT 7 AS n")
    before = await snapshot(server)
    assert await ensure_databases(server.admin_url, secrets) == urls
    assert await snapshot(server) == before
    async with connected(urls["audit"].owner) as owner:
        assert await owner.fetchval("SELECT n FROM leaf") == 7


async def test_a_changed_secret_file_becomes_the_password(server: PostgresServer, secrets: Secrets) -> None:
    old = await ensure_databases(server.admin_url, secrets)
    (secrets.folder / "database_advis").write_text("another")
    new = await ensure_databases(server.admin_url, secrets)
    async with connected(new["advis"].runtime):
        pass
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with connected(old["advis"].runtime):
            pass


async def test_an_administrator_who_is_no_superuser_will_do_and_keeps_no_way_in(
    server: PostgresServer, secrets: Secrets
) -> None:
    async with connected(server.admin_url) as admin:
        await admin.execute("CREATE ROLE dba LOGIN CREATEDB CREATEROLE PASSWORD 'p'")
    await ensure_databases(server.url("dba", "p", "postgres"), secrets)
    await ensure_databases(server.url("dba", "p", "postgres"), secrets)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connected(server.url("dba", "p", "consent")):
            pass


async def test_the_server_is_told_verifiers_and_never_a_password(server: PostgresServer, secrets: Secrets) -> None:
    async with connected(server.admin_url) as admin:
        await admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        await admin.execute("SELECT pg_reload_conf()")
        while await admin.fetchval("SHOW log_statement") != "all":
            pass
    await ensure_databases(server.admin_url, secrets)
    log = (server.data_dir / "postgres.log").read_text()
    assert "CREATE ROLE consent_owner" in log
    assert not [role for role in ROLES if secrets.password(role) in log]


def test_the_urls_do_not_show_in_a_repr() -> None:
    assert "secret" not in repr(DatabaseUrls(runtime="secret", owner="secret"))


async def test_our_verifier_is_the_one_that_the_server_makes_of_the_same_password_and_salt(
    server: PostgresServer,
) -> None:
    async with connected(server.admin_url) as admin:
        await admin.execute("CREATE ROLE sample PASSWORD 'pencil'")
        theirs = await admin.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'sample'")
    salt = base64.b64decode(theirs.split("$")[1].split(":")[1])
    assert scram_verifier("pencil", salt) == theirs
    assert scram_verifier("pencil") != theirs


def psql(server: PostgresServer, passwords: Path) -> subprocess.CompletedProcess[str]:
    program = postgres_binaries.find(RunUser.for_unprivileged()).folder / "bin" / "psql"
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": str(server.socket_dir),
        "PGUSER": "postgres",
        "PGDATABASE": "postgres",
        "PGPASSWORD": (server.data_dir / "superuser-password").read_text(),
        "SAMTYKKEBRO_PASSWORDS": str(passwords),
    }
    return subprocess.run(
        [program, "--no-psqlrc", "--quiet", "-f", INIT_SQL],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_init_sql_makes_what_we_make_and_may_be_repeated(server: PostgresServer, secrets: Secrets) -> None:
    for role in ROLES:
        secrets.password(role)
    for _ in range(2):
        assert (ran := psql(server, secrets.folder)).returncode == 0, ran.stderr
    by_script = await snapshot(server)
    assert len(by_script) == len(ROLES) + len(SERVICES) + 1
    urls = await ensure_databases(server.admin_url, secrets)
    assert await snapshot(server) == by_script
    async with connected(urls["consent"].runtime):
        pass
    assert not [role for role in ROLES if secrets.password(role) in (server.data_dir / "postgres.log").read_text()]


async def test_init_sql_alone_lets_the_roles_in_with_the_passwords_of_the_files(
    server: PostgresServer, secrets: Secrets
) -> None:
    for role in ROLES:
        secrets.password(role)
    psql(server, secrets.folder)
    async with connected(server.url("consent_owner", secrets.password("consent_owner"), "consent")) as owner:
        await owner.execute("CREATE TABLE citizen (n int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connected(server.url("advis", secrets.password("advis"), "consent")):
            pass


async def test_init_sql_stops_when_a_password_file_is_missing(server: PostgresServer, secrets: Secrets) -> None:
    for role in ROLES - {"audit"}:
        secrets.password(role)
    assert psql(server, secrets.folder).returncode != 0
    assert await snapshot(server) == []
