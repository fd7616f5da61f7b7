"""Creates the roles and databases of an installation, on the embedded server or on one that an admin URL names.

Rules (contract with the services: each has its own database, none reads another's tables):
- `<service>_owner` owns the database and runs migrations; `<service>` is the runtime role and owns nothing. What it
  may touch, the migrations grant. `bus` owns the embedded bus's database, `bus_<service>` is a service's role there.
- PUBLIC may not connect to, or make temporary tables in, any of them; a runtime role connects to its own alone.
- Repeating it changes nothing but the passwords, which become those in the secret files.
- The server never sees a password: it is sent as a SCRAM verifier (RFC 5803), so none can reach a statement log.

`deploy/postgres/init.sql` makes the same for a server of one's own; a test compares the two.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from libs.cli.bus.bus_grants import ROLE_PREFIX
from libs.cli.installation.secrets import Secrets

SERVICES = ("consent", "advis", "audit")
BUS = "bus"
_ADVISORY_LOCK = 0x53414D54  # two starters at once: the second waits
_SCRAM_ITERATIONS = 4096  # PostgreSQL's own default
_SALT_BYTES = 16
_ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """How to reach one database. The URLs hold passwords: never log them."""

    runtime: str = field(repr=False)
    owner: str = field(repr=False)


async def ensure_databases(admin_url: str, secrets: Secrets) -> dict[str, DatabaseUrls]:
    """Creates what is missing and sets the passwords; returns the URLs by database: the services and `bus`.

    `admin_url` is a SQLAlchemy asyncpg URL of a role that may create roles and databases; a superuser is not needed.
    Raises SQLAlchemy's DBAPIError when the server refuses, OSError when it cannot be reached.
    """
    admin = make_url(admin_url)
    async with _connected(admin) as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        for database in (*SERVICES, BUS):
            owner = _owner(database)
            for role in {owner, database}:
                await _ensure_role(connection, role, secrets.password(role))
            await _ensure_database(connection, database, owner)
        await _ensure_bus_roles(connection, secrets)
    return {
        database: DatabaseUrls(
            runtime=_url(admin, database, database, secrets), owner=_url(admin, database, _owner(database), secrets)
        )
        for database in (*SERVICES, BUS)
    }


def bus_urls(admin_url: str, secrets: Secrets) -> dict[str, str]:
    """How each service reaches the embedded bus, by service. The URLs hold passwords: never log them."""
    admin = make_url(admin_url)
    return {service: _url(admin, BUS, f"{ROLE_PREFIX}{service}", secrets) for service in SERVICES}


@asynccontextmanager
async def _connected(url: URL) -> AsyncIterator[AsyncConnection]:
    """One autocommitting connection: CREATE DATABASE runs in no transaction."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _ensure_bus_roles(connection: AsyncConnection, secrets: Secrets) -> None:
    for service in SERVICES:
        role = f"{ROLE_PREFIX}{service}"
        await _ensure_role(connection, role, secrets.password(role))
    superuser = await connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    roles = ", ".join(f"{ROLE_PREFIX}{service}" for service in SERVICES)
    if not superuser:
        await connection.exec_driver_sql(f"GRANT {BUS} TO CURRENT_USER")
    await connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {BUS} TO {roles}")
    if not superuser:
        await connection.exec_driver_sql(f"REVOKE {BUS} FROM CURRENT_USER")


def _owner(database: str) -> str:
    return database if database == BUS else f"{database}_owner"


def _url(admin: URL, database: str, role: str, secrets: Secrets) -> str:
    url = admin.set(database=database, username=role, password=secrets.password(role))
    return url.render_as_string(hide_password=False)


async def _ensure_role(connection: AsyncConnection, role: str, password: str) -> None:
    found = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    # Role and database names are our own constants, and a verifier is base64 and digits: nothing here needs quoting.
    verb = "ALTER" if found else "CREATE"
    attributes = "" if found else _ATTRIBUTES
    await connection.exec_driver_sql(f"{verb} ROLE {role} {attributes} PASSWORD '{scram_verifier(password)}'")


async def _ensure_database(connection: AsyncConnection, database: str, owner: str) -> None:
    found = await connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": database})
    # An administrator who is no superuser gives a database to a role that it is a member of, for this moment only.
    superuser = await connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    if not superuser:
        await connection.exec_driver_sql(f"GRANT {owner} TO CURRENT_USER")
    if not found:
        await connection.exec_driver_sql(f"CREATE DATABASE {database} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0")
    await connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {database} TO {database}")
    if not superuser:
        await connection.exec_driver_sql(f"REVOKE {owner} FROM CURRENT_USER")


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """PostgreSQL's form of a SCRAM-SHA-256 verifier for an ASCII password; a random salt unless one is given."""
    salt = salt or os.urandom(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored, server, spice = (
        base64.b64encode(part).decode() for part in (hashlib.sha256(client_key).digest(), server_key, salt)
    )
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{spice}${stored}:{server}"
