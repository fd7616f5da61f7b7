"""What the log does of itself: reports numbers that stay away. Signing is `signer.py`, in the same role."""

import asyncio
from datetime import timedelta

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from libs.common.bus import NotYetError
from libs.common.database import CommitUncertainError, Database, clock
from libs.common.log import get_logger
from services.audit.handlers import report_gaps
from services.audit.leaves import LeafMaker

_OUTAGES = (
    OSError,
    DBAPIError,
    PoolTimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    CommitUncertainError,
    NotYetError,
)


class GapWatch:
    """Looks every `poll_s` for holes that are older than `grace_s`."""

    def __init__(self, database: Database, maker: LeafMaker, *, grace_s: float, poll_s: float) -> None:
        self._database = database
        self._maker = maker
        self._grace = timedelta(seconds=grace_s)
        self._poll_s = poll_s

    async def run(self) -> None:
        """Watch for ever; end by cancelling."""
        while True:
            try:
                await self.look_once()
            except _OUTAGES:
                get_logger().warning("gap_watch_waits", exc_info=True)
            await asyncio.sleep(self._poll_s)

    async def look_once(self) -> int:
        """Report what is due; how many gaps that was. Any number of watchers report each gap once."""
        async with self._database.write() as session:
            now = await clock(session)
            opened = await report_gaps(session, maker=self._maker, now=now, grace=self._grace)
        if opened:
            get_logger().error("gap_opened", count=opened)
        return opened
