"""What a running process has opened, handed to its doors: no globals, one place that closes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from libs.common.database.database import Bell, Database, WriteSession
from libs.common.database.transaction import AnswerT, transact
from services.advis.disclosure.permits import Permits
from services.advis.reference.reference import Reference
from services.advis.reference.sources import Sources
from services.advis.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    """The means of one process. `bell` wakes the relay; `permits` asks as this process's holder."""

    settings: Settings
    database: Database
    bell: Bell
    reference: Reference
    permits: Permits
    sources: Sources

    async def committed(self, work: Callable[[WriteSession], Awaitable[AnswerT]]) -> AnswerT:
        """`libs.common.database.transaction.transact` here: `work` in one transaction. Raises UnavailableError."""
        return await transact(self.database, self.bell, work)


def resources(request: Request) -> Resources:
    """Dependency: the means that the composition root put on the application."""
    return cast(Resources, request.app.state.resources)
