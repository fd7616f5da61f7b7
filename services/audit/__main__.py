"""`python -m services.audit api|consumer|relay|worker|migrate|generation|all`: picks a role, nothing else."""

import sys
from pathlib import Path

from libs.common.outbox import generation
from libs.common.running import process
from libs.common.running.settings import MigrationSettings

ROLES = ("api", "consumer", "relay", "worker", "all", "migrate", "generation")


def migrate() -> None:
    """Bring the database to today's form, as its owner. Raises pydantic's ValidationError without an address."""
    from alembic import command  # noqa: PLC0415 - only this role needs it
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config(Path(__file__).with_name("alembic.ini"))
    # In Config a percent sign begins an interpolation, and a password may hold one.
    config.set_main_option(
        "sqlalchemy.url", process.read_settings(MigrationSettings).migration_database_url.replace("%", "%%")
    )
    command.upgrade(config, "head")


def main(arguments: list[str]) -> int:
    """The exit status: 64 (EX_USAGE) for a role that does not exist."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        sys.stderr.write(f"usage: python -m services.audit {'|'.join(ROLES)}\n")
        return 64
    if arguments[0] == "migrate":
        migrate()
        return 0
    if arguments[0] == "generation":
        return generation.run("audit")
    from services.audit.app import parts_of, roles  # noqa: PLC0415 - migrate needs none of it
    from services.audit.settings import Settings  # noqa: PLC0415 - as above

    settings = process.configured(Settings, "audit", arguments[0])
    parts = parts_of(settings)
    process.main(roles(parts, arguments[0]), parts.close)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
