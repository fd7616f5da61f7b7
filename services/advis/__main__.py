"""`python -m services.advis api|consumer|relay|worker|all|migrate|generation`: picks what runs, nothing else."""

import argparse
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from libs.common.observing import log
from libs.common.outbox import generation
from libs.common.running import process
from libs.common.running.settings import MigrationSettings
from services.advis.app import ROLES, SettingMissingError, require, run
from services.advis.settings import Settings


def main() -> None:
    """Run the role that was asked for until SIGTERM; `migrate` and `generation` end by themselves."""
    parser = argparse.ArgumentParser(prog="python -m services.advis", description="Who wants to be told.")
    parser.add_argument("role", choices=[*ROLES, "all", "migrate", "generation"])
    role: str = parser.parse_args().role
    if role == "migrate":
        log.configure("advis", role)
        process.read_settings(MigrationSettings)
        command.upgrade(Config(Path(__file__).with_name("alembic.ini")), "head")
        return
    if role == "generation":
        sys.exit(generation.run("advis"))
    settings = process.configured(Settings, "advis", role)
    roles = list(ROLES) if role == "all" else [role]
    try:
        require(settings, roles)
    except SettingMissingError as error:
        sys.exit(str(error))

    async def running() -> None:
        await run(settings, roles)

    process.main({role: running})


if __name__ == "__main__":
    main()
