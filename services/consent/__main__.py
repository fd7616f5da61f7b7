"""`python -m services.consent api|consumer|relay|worker|migrate|generation|all`: picks a role, nothing else."""

import asyncio
import sys
from pathlib import Path

from libs.common.running import process
from libs.common.running.settings import MigrationSettings

ROLES = ("api", "consumer", "relay", "worker", "all", "migrate", "generation")
EX_USAGE, EX_DATAERR = 64, 65


def migrate() -> int:
    """Bring the database to today's form and load the reference data, as its owner. 65 for data that is refused."""
    from alembic import command  # noqa: PLC0415 - only this role needs it
    from alembic.config import Config  # noqa: PLC0415 - as above

    from libs.common.database.database import Database  # noqa: PLC0415 - as above
    from services.consent.catalogue_administration.files import read  # noqa: PLC0415 - as above
    from services.consent.catalogue_administration.loading import load, prepare  # noqa: PLC0415 - as above
    from services.consent.model.errors import CatalogueError  # noqa: PLC0415 - as above

    settings = process.read_settings(MigrationSettings)
    config = Config(Path(__file__).with_name("alembic.ini"))
    # In Config a percent sign begins an interpolation, and a password may hold one.
    config.set_main_option("sqlalchemy.url", settings.migration_database_url.replace("%", "%%"))
    command.upgrade(config, "head")

    async def load_catalogue() -> None:
        raw, _ = read(settings.reference_dir)
        database = Database(settings.migration_database_url, application_name="consent migrate", pool_size=1)
        try:
            async with database.read() as session:
                prepared = await prepare(session, raw)
            async with database.write() as session:
                await load(session, prepared)
        finally:
            await database.close()

    try:
        asyncio.run(load_catalogue())
    except CatalogueError as error:
        sys.stderr.write(f"reference data refused: {error}\n")
        return EX_DATAERR
    return 0


def raise_generation() -> int:
    """Raise the generation of the fence and of the outbox, as the database's owner."""
    from libs.common.outbox import generation  # noqa: PLC0415 - only this role needs it
    from services.consent.scopes import store as scopes_store  # noqa: PLC0415 - as above

    return generation.run("consent", {"fence": scopes_store.raise_generation, **generation.NUMBERING})


def main(arguments: list[str]) -> int:
    """The exit status: 64 (EX_USAGE) for a role that does not exist."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        sys.stderr.write(f"usage: python -m services.consent {'|'.join(ROLES)}\n")
        return EX_USAGE
    if arguments[0] == "migrate":
        return migrate()
    if arguments[0] == "generation":
        return raise_generation()
    from services.consent.app import parts_of, roles  # noqa: PLC0415 - migrate needs none of it
    from services.consent.settings import Settings  # noqa: PLC0415 - as above

    settings = process.configured(Settings, "consent", arguments[0])
    parts = parts_of(settings)
    process.main(roles(parts, arguments[0]), parts.close)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
