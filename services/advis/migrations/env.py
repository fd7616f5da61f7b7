"""Runs migrations as the owner of the database, in one transaction, with a short wait for locks."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from libs.common.running.settings import MigrationSettings
from services.advis.tables import metadata

LOCK_TIMEOUT = "3s"


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    url = MigrationSettings().migration_database_url
    engine = create_async_engine(url, connect_args={"server_settings": {"lock_timeout": LOCK_TIMEOUT}})
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_online())
