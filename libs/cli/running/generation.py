"""`samtykkebro generation raise`: what must be done after a database lost commits, or was restored (ADR 0020).

Rules (docs/fence.md):
- Everything of the installation is stopped, but for its PostgreSQL: ours is started here and stopped again, and an
  installation that runs holds it locked. Each service's role refuses while a process of the service is connected.
- A restored database may be in an older form: it is migrated first.
- A service does its own part, in a process of its own with its owner's URL, and puts the act on the record.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from libs.cli.installation import secrets
from libs.cli.installation.databases import ensure_databases
from libs.cli.installation.profiles import SERVICES, Profile, one_shot
from libs.cli.processes.children import Program
from libs.cli.processes.state import private_dir
from libs.cli.running.migrate import migrate
from libs.cli.running.servers import start_database

OWNER_URL: Final = "SAMTYKKEBRO_MIGRATION_DATABASE_URL"
ABOVE: Final = "SAMTYKKEBRO_GENERATION_ABOVE"
MEANING: Final = """\
Raise the generation after a database lost commits: a restored backup, or a failover to a standby that was behind.
- consent's fence: what arrived before, and was not told yet, is never told. Consents, withdrawals and receipts stay.
- each service: its audit entries are numbered anew, so that the log shows a new generation and not a gap.
Every process must be stopped, the disclosing ones too: a restored consent does not know what they may show.
A withdrawal that the lost commits held is not brought back by this.
It is on the record and cannot be taken back."""


class NotRaisedError(Exception):
    """A service did not raise its generation; the text is what it said. Those before it did."""


async def raise_generations(
    profile: Profile,
    state_dir: Path,
    *,
    tell: Callable[[str], object],
    services: Iterable[str] = SERVICES,
    above: int = 0,
) -> None:
    """Do it for an installation of `up`; tells each number that was raised. Call it from the main thread.

    Raises NotRaisedError, StartError (a migration), LocalPartError, SQLAlchemy's DBAPIError, OSError.
    """
    if not (state_dir / "secrets").is_dir():
        raise NotRaisedError(f"there is no installation of `up` in {state_dir}")
    kept = secrets.prepare(state_dir / "secrets")
    logs = private_dir(state_dir / "logs")
    with ExitStack() as stack:
        admin_url = start_database(stack, profile, state_dir=state_dir, own=[])
        databases = await ensure_databases(admin_url, kept)
        services = tuple(services)
        await migrate([one_shot(one, "migrate", databases, secrets=kept, log_dir=logs) for one in services], note=None)
        for service in services:
            tell(await _raised(one_shot(service, "generation", databases, secrets=kept, log_dir=logs), above))


async def _raised(program: Program, above: int) -> str:
    told = replace(program, environment={**program.environment, ABOVE: str(above)})
    process = await asyncio.create_subprocess_exec(
        *told.command, env=dict(told.environment), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, errors = (part.decode(errors="replace").strip() for part in await process.communicate())
    if process.returncode:
        raise NotRaisedError(errors[-1000:] or f"{told.name} ended with {process.returncode}")
    return said
