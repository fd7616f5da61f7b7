"""The one-shot role `generation`: what commits that were lost had counted or handed out counts no more (ADR 0020).

Rules (docs/fence.md):
- After a restored backup, or a failover that lost commits, a service's numbering of audit entries begins a new
  generation; consent's fence too, so that an epoch that was handed out before opens nothing.
- It is one transaction with its own audit entry, in the owner's name, and only while no process of the service is
  connected. A backup that is restored again needs `above`: the generation that was in use since.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from libs.common.database.database import FAILURES, CommitUncertainError, Database, WriteSession, clock, driver
from libs.common.outbox import outbox
from libs.common.running import process
from libs.common.running.settings import MigrationSettings
from libs.common.wire.messages import AuditEntry

ENTRY_TYPE: Final = "generation.raised"
Raise = Callable[[WriteSession, int], Awaitable[tuple[int, int]]]
"""(session, above) → (old, new): raise one number of the database to one more than it, and than `above`."""

NUMBERING: Final[Mapping[str, Raise]] = MappingProxyType({"numbering": outbox.raise_generation})
_CONNECTED: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1"


class StillConnectedError(Exception):
    """Processes of the service are connected to its database; the text says how many sessions there are."""


@dataclass(frozen=True, slots=True)
class Raised:
    """One number of a service that was raised: `numbering` of its outbox, or `fence`."""

    name: str
    old: int
    new: int


async def raise_generations(
    owner_url: str, *, service: str, above: int = 0, numbers: Mapping[str, Raise] = NUMBERING
) -> list[Raised]:
    """Raise every one of `numbers`, and write down that it was done. The runtime role is called as the service is.

    Raises StillConnectedError, CommitUncertainError (look at the audit log before you repeat it), and what the driver
    raises.
    """
    database = Database(owner_url, application_name=f"{service} generation", pool_size=1)
    try:
        async with database.write() as session:
            if connected := await driver(session).fetchval(_CONNECTED, service):
                raise StillConnectedError(f"{connected} sessions of {service} are connected: stop its processes first")
            raised = [Raised(name, *(await raise_one(session, above))) for name, raise_one in numbers.items()]
            await outbox.append(session, [await _entry(session, service, raised)])
    finally:
        await database.close()
    return raised


async def _entry(session: WriteSession, service: str, raised: list[Raised]) -> outbox.Message:
    objects = {f"{one.name}_generation": str(one.new) for one in raised}
    entry = AuditEntry(
        id=uuid4(),
        type=ENTRY_TYPE,
        action="U",
        outcome="success",
        occurred_at=await clock(session),
        actor="operator",
        actor_role="operator",
        objects=objects,
        retention_class="operations",
    )
    return outbox.audit_message(service, entry)


def run(service: str, numbers: Mapping[str, Raise] = NUMBERING) -> int:
    """The role: says old → new on stdout. Exit 75 while the service runs, 69 when the database does not do it."""
    settings = process.read_settings(MigrationSettings)
    raising = raise_generations(
        settings.migration_database_url, service=service, above=settings.generation_above, numbers=numbers
    )
    try:
        raised = asyncio.run(raising)
    except StillConnectedError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_TEMPFAIL
    except CommitUncertainError:
        sys.stderr.write(f"{service}: no answer to the commit: look for {ENTRY_TYPE} in the audit log, then repeat\n")
        return os.EX_UNAVAILABLE
    except FAILURES as error:
        sys.stderr.write(f"{service}: the database does not raise its generation: {type(error).__name__}\n")
        return os.EX_UNAVAILABLE
    for one in raised:
        sys.stdout.write(f"{service}: {one.name} generation {one.old} → {one.new}\n")
    return 0
