"""The schema goes up, down and up again, and what it makes is what the tables say."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

import services.audit
from tests.servers import Postgres, TestDatabase, aside
from tests.servers import migrate as migrate_as_a_process


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[TestDatabase]:
    postgres.role("audit_owner")
    postgres.role("audit")
    with postgres.database("audit", owner="audit_owner") as database:
        yield database


def config(database: TestDatabase) -> Config:
    made = Config(Path(services.audit.__file__).with_name("alembic.ini"))
    made.set_main_option("sqlalchemy.url", database.owner_url.replace("%", "%%"))
    return made


def run(step: Callable[..., Any], *arguments: Any) -> None:
    """Alembic's environment starts a loop of its own, so it gets a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(step, *arguments).result()


def names(postgres: Postgres, database: TestDatabase) -> set[str]:
    async def fetch() -> set[str]:
        dsn = make_url(database.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
        session = await asyncpg.connect(dsn)
        try:
            rows = await session.fetch(
                "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            )
            return {row["name"] for row in rows}
        finally:
            await session.close()

    found: set[str] = aside(fetch())
    return found


def test_the_schema_goes_up_down_and_up_again(postgres: Postgres, empty: TestDatabase) -> None:
    run(command.upgrade, config(empty), "head")
    first = names(postgres, empty)
    assert {"leaf", "batch", "opening", "append_only"} <= first
    run(command.downgrade, config(empty), "base")
    assert names(postgres, empty) == {"alembic_version", "alembic_version_pkc"}
    run(command.upgrade, config(empty), "head")
    assert names(postgres, empty) == first


def test_the_schema_is_what_the_tables_say(postgres: Postgres, empty: TestDatabase) -> None:
    run(command.upgrade, config(empty), "head")
    run(command.check, config(empty))
    postgres.execute("ALTER TABLE leaf DROP COLUMN occurred_at CASCADE", database=empty.name)
    with pytest.raises(Exception, match="occurred_at"):
        run(command.check, config(empty))


def test_the_migrate_role_does_it_all_and_may_be_repeated(postgres: Postgres, empty: TestDatabase) -> None:
    migrate_as_a_process("audit", empty.owner_url)
    once = names(postgres, empty)
    migrate_as_a_process("audit", empty.owner_url)
    assert names(postgres, empty) == once
