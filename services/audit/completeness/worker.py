"""What the log does of itself: reports numbers that stay away. Signing is `signer.py`, in the same role."""

from datetime import timedelta

from libs.common.database.database import Database, clock
from libs.common.observing.log import get_logger
from libs.common.running.sweep import keep_sweeping
from services.audit.log.append import report_gaps
from services.audit.log.maker import LeafMaker


class GapWatch:
    """Looks every `poll_s` for holes that are older than `grace_s`."""

    def __init__(self, database: Database, maker: LeafMaker, *, grace_s: float, poll_s: float) -> None:
        self._database = database
        self._maker = maker
        self._grace = timedelta(seconds=grace_s)
        self._poll_s = poll_s

    async def run(self) -> None:
        """Watch for ever; end by cancelling."""
        await keep_sweeping("gaps", self._poll_s, self.look_once)

    async def look_once(self) -> int:
        """Report what is due; how many gaps that was. Any number of watchers report each gap once."""
        async with self._database.write() as session:
            now = await clock(session)
            opened = await report_gaps(session, maker=self._maker, now=now, grace=self._grace)
        if opened:
            get_logger().error("gap_opened", count=opened)
        return opened
