"""An alarm is one thing: a log line with a stable code, a metric, and an entry until somebody acknowledges it.

1. One open row per (code, about): a repetition refreshes it, and after an acknowledgement opens a new one.
2. `about` is a code or identifier of a thing of ours (topic and partition, client, sweep), never of a person.
3. A transaction that raises an alarm locks its row: do it last in the lock order (docs/fence.md). Where there is no
   session, or none that may wait, `raise_alarm_later` keeps it in a bounded queue that `keep_flushing` writes.
"""

import asyncio
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, Table, Text, func, text

from libs.common.database.database import Database, ReadSession, WriteSession, driver
from libs.common.observing.log import get_logger, masked
from libs.common.observing.metrics import ALARMS_OPEN, ALARMS_RAISED

ALARM_GRANTS: Final = {"alarm": "SELECT, INSERT, UPDATE, DELETE"}
PENDING_MAX: Final = 500  # different (code, about) that wait for a database
FLUSH_S: Final = 1.0
_ABOUT = re.compile(r"[A-Za-z0-9_.:/*-]{0,120}")
_UNNAMED: Final = "unnamed"

_RAISE = (
    "INSERT INTO alarm (code, about, count) VALUES ($1, $2, $3) ON CONFLICT (code, about) WHERE acknowledged_at IS NULL"
    " DO UPDATE SET last_at = clock_timestamp(), count = alarm.count + excluded.count RETURNING count = $3 AS opened"
)
_FIELDS = "alarm_id, code, about, first_at, last_at, count, acknowledged_at, acknowledged_by"
_LIST = (
    f"SELECT {_FIELDS} FROM alarm WHERE ($1::bigint IS NULL OR alarm_id < $1)"  # noqa: S608 - a constant
    " AND ($2::boolean IS NULL OR (acknowledged_at IS NOT NULL) = $2) ORDER BY alarm_id DESC LIMIT $3"
)
_ACKNOWLEDGE = (
    "UPDATE alarm SET acknowledged_at = clock_timestamp(), acknowledged_by = $2"
    " WHERE alarm_id = $1 AND acknowledged_at IS NULL"
)
_ONE = f"SELECT {_FIELDS} FROM alarm WHERE alarm_id = $1"  # noqa: S608 - as above
_OPEN = "SELECT code, count(*) AS open FROM alarm WHERE acknowledged_at IS NULL GROUP BY code"

_log = get_logger()


class AlarmCode(StrEnum):
    """Every alarm of the system; docs/operating.md says of each what it means and what to do."""

    RECORD_PARKED = "record_parked"
    RECORDS_LOST = "records_lost"
    RECORD_REFUSED = "record_refused"
    LOOP_BROKEN = "loop_broken"
    PARTITION_STUCK = "partition_stuck"
    BUS_UNREACHABLE = "bus_unreachable"
    OUTBOX_BEHIND = "outbox_behind"
    SWEEP_FAILING = "sweep_failing"
    DRAIN_OVERDUE = "drain_overdue"
    PERMIT_PAST_LEASE = "permit_past_lease"
    HOLDER_ORDERED = "holder_ordered"
    SOURCE_REFUSED = "source_refused"
    UNREADABLE_ROW = "unreadable_row"
    CHECKPOINT_REFUSED = "checkpoint_refused"
    ALARMS_DROPPED = "alarms_dropped"


def alarm_tables(metadata: MetaData) -> None:
    """Add `alarm` to a service's metadata."""
    alarm = Table(
        "alarm",
        metadata,
        Column("alarm_id", BigInteger, Identity(always=True), primary_key=True),
        Column("code", Text, nullable=False),
        Column("about", Text, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("first_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("last_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("acknowledged_at", DateTime(timezone=True)),
        Column("acknowledged_by", Text),
    )
    open_only = text("acknowledged_at IS NULL")
    Index("alarm_open_uq", alarm.c.code, alarm.c.about, unique=True, postgresql_where=open_only)
    Index("alarm_acknowledged_ix", alarm.c.acknowledged_at, postgresql_where=text("acknowledged_at IS NOT NULL"))


async def raise_alarm(
    session: WriteSession, code: AlarmCode, *, about: str = "", service: str = "", count: int = 1
) -> None:
    """Open or refresh the alarm (code, about) in the caller's transaction; log and count it.

    `service`: whose alarm it is, where the process's own log line does not say so.
    """
    about = _about(about)
    opened = await driver(session).fetchval(_RAISE, code.value, about, count)
    ALARMS_RAISED.labels(code).inc(count)
    extra = {"service": service} if service else {}
    _log.error("alarm_raised", code=code, about=about, count=count, first=bool(opened), **extra)


def raise_alarm_later(code: AlarmCode, *, about: str = "") -> None:
    """Raise the alarm as soon as a database takes it: for places without a session. Never blocks, never fails."""
    _PENDING.add(code, _about(about))


async def keep_flushing(database: Database) -> None:
    """Write what `raise_alarm_later` was given, for ever; end by cancelling. An outage is waited out."""
    while True:
        await asyncio.sleep(FLUSH_S)
        await flush(database)


async def flush(database: Database) -> None:
    """Write everything that waits, one transaction an alarm; what cannot be written goes on waiting."""
    for (code, about), count in _PENDING.take().items():
        try:
            async with database.write() as session:
                await raise_alarm(session, code, about=about, count=count)
        except Exception:  # noqa: BLE001 - an alarm that cannot be written waits; the loop goes on
            _log.warning("alarm_waits", code=code, exc_info=True)
            _PENDING.add(code, about, count)


async def listed(
    session: ReadSession, *, before: int | None, acknowledged: bool | None, limit: int
) -> list[Mapping[str, Any]]:
    """Alarms by falling id, those before `before`; `acknowledged` None: both kinds."""
    return [dict(row) for row in await driver(session).fetch(_LIST, before, acknowledged, limit)]


async def acknowledge(session: WriteSession, alarm_id: int, by: str) -> tuple[Mapping[str, Any] | None, bool]:
    """Close the alarm in `by`'s name; one that is closed stays as it is. The alarm, if any, and whether it changed."""
    changed = await driver(session).execute(_ACKNOWLEDGE, alarm_id, by) == "UPDATE 1"
    row = await driver(session).fetchrow(_ONE, alarm_id)
    return (None if row is None else dict(row)), changed


async def measure(session: ReadSession) -> None:
    """Set the gauge of open alarms."""
    found = {row["code"]: row["open"] for row in await driver(session).fetch(_OPEN)}
    for code in AlarmCode:
        ALARMS_OPEN.labels(code).set(found.get(code, 0))


def _about(about: str) -> str:
    """`about`, or a constant where it has not the form of an identifier or may hold a personal number."""
    return about if _ABOUT.fullmatch(about) and masked(about) == about else _UNNAMED


class _Pending:
    """Alarms that wait for a database, coalesced; beyond PENDING_MAX they become one alarm of their own."""

    def __init__(self) -> None:
        self._counts: dict[tuple[AlarmCode, str], int] = {}

    def add(self, code: AlarmCode, about: str, count: int = 1) -> None:
        """Count one more of this kind."""
        key = (code, about)
        if key not in self._counts and len(self._counts) >= PENDING_MAX:
            key = (AlarmCode.ALARMS_DROPPED, "")
        self._counts[key] = self._counts.get(key, 0) + count

    def take(self) -> dict[tuple[AlarmCode, str], int]:
        """What waits, and forget it."""
        taken, self._counts = self._counts, {}
        return taken


_PENDING: Final = _Pending()
