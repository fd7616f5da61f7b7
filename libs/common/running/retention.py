"""What is stored has an end (law 12): one rule a table, and the loop that deletes by these rules.

1. Every table of a service stands in its RETENTION, with rules or with the reason why its rows stay.
2. Rows go in batches, each a short transaction that an index finds; a batch is followed by a pause as long as it took,
   so that a backlog never takes more than half of one session.
3. The embedded bus keeps a record as long as a restored database may have to read it again; Kafka does so by itself.
4. A rule that fails three rounds running is an alarm, and keeps no other rule from its turn.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn
from uuid import UUID

from libs.common.database.database import Database, driver
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import ROWS_PURGED, SWEEPS_FAILED
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.running.settings import CommonSettings

BATCH_ROWS: Final = 1_000
FAILURES_MAX: Final = 3  # rounds, then it is an alarm

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows that no rule deletes, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Walk:
    """Rows are found by walking `key`, a unique column, from `start`; `grows`: its order is that of the moment."""

    key: str
    start: int | UUID
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Purged:
    """Rows go once the moment `at` is older than the setting `period`, where the SQL condition `only` holds.

    An index that begins with `at` finds them, or a `walk` along another one: for tables in which an index on the
    moment would cost every write more than the walk costs.
    """

    at: str
    period: str  # the name of a setting that ends in its unit, _days or _hours
    what: str  # for docs/retention.md: which rows, and why no longer
    only: str = "true"
    walk: Walk | None = None


Rules = Kept | tuple[Purged, ...]
Retention = Mapping[str, Rules]

SENT: Final = (
    "number IS NOT NULL AND EXISTS (SELECT FROM outbox_lane l WHERE l.lane = outbox.lane"
    " AND (outbox.generation < l.generation OR (outbox.generation = l.generation AND outbox.number <= l.sent)))"
)
_HORIZON: Final = "replay_horizon_days"
COMMON: Final[Retention] = {
    "outbox": (
        Purged(
            "created_at",
            _HORIZON,
            "What the relay has sent, or set aside because the bus refused it. Audit entries lie here in clear, so none"
            " outlives the horizon; until then a restored audit database may need them again. What is not sent stays.",
            SENT,
            Walk("id", 0, grows=True),
        ),
    ),
    "outbox_lane": Kept("One row a lane: the numbers that have been given and sent."),
    "inbox": (Purged("received_at", _HORIZON, "Keys of events: the bus delivers nothing older again."),),
    "bus_position": Kept("One row a partition: how far it has been consumed."),
    "alarm": (
        Purged(
            "acknowledged_at",
            "alarm_retention_days",
            "Acknowledged alarms. An open one stays until somebody has looked.",
            "acknowledged_at IS NOT NULL",
        ),
    ),
}
"""What every service keeps for the bus and for its operator."""

BUS_RETENTION: Final[Retention] = {
    "bus_record": (
        Purged(
            "at",
            "replay_horizon_days",
            "Every record of every topic, dead letters too, from the beginning of each partition.",
        ),
    ),
    "bus_partition": Kept("One row a partition: the next offset."),
    "bus_horizon": Kept("One row a topic: how long its records are kept at least, whatever a service asks for."),
    "bus_grant": Kept("One row a role and topic: what the role may do."),
}
# A service's role may only insert into the bus, so the bus's owner gives all of them one function that deletes what is
# over, from the beginning of a partition. How long that is at least, the owner says (`bus_horizon`) and not the caller.
BUS_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION bus_forget(of_topic text, of_partition integer, days integer, batch integer)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH oldest AS MATERIALIZED (
    SELECT "offset" AS place FROM bus_record WHERE topic = of_topic AND partition = of_partition
    ORDER BY "offset" LIMIT batch
  ), gone AS (
    DELETE FROM bus_record r USING oldest
    WHERE r.topic = of_topic AND r.partition = of_partition AND r."offset" = oldest.place
      AND r.at < now() - greatest(
        make_interval(days => greatest(days, 1)),
        CASE WHEN session_user <> current_user THEN
          coalesce((SELECT h.kept FROM bus_horizon h WHERE h.topic = of_topic), interval '365 days') END)
    RETURNING 1)
  SELECT count(*) FROM gone
$$;
"""
_PARTITIONS = "SELECT topic, partition FROM bus_partition ORDER BY topic, partition"
_FORGET = "SELECT bus_forget($1, $2, $3, $4)"


def period_of(settings: CommonSettings, name: str) -> timedelta:
    """The period that the setting `name` holds, in the unit that its name ends in."""
    return timedelta(**{name.rpartition("_")[2]: getattr(settings, name)})


async def keep_purging(database: Database, retention: Retention, settings: CommonSettings) -> NoReturn:
    """Purge now and every `settings.retention_every_s`, for ever; end by cancelling."""
    failures: Counter[str] = Counter()
    while True:
        for table, rules in retention.items():
            if await _purged(database, table, rules, settings):
                del failures[table]
                continue
            failures[table] += 1
            if failures[table] >= FAILURES_MAX:
                raise_alarm_later(AlarmCode.SWEEP_FAILING, about=f"retention/{table}")
        await asyncio.sleep(settings.retention_every_s)


async def _purged(database: Database, table: str, rules: Rules, settings: CommonSettings) -> bool:
    try:
        rows = await purge(database, table, rules, settings)
    except Exception:  # noqa: BLE001 - whatever it was, the other tables have their turn and this one its next
        SWEEPS_FAILED.labels("retention").inc()
        _log.warning("purge_failed", kind=table, exc_info=True)
        return False
    if rows:
        _log.info("rows_purged", kind=table, rows=rows)
    return True


async def purge(database: Database, table: str, rules: Rules, settings: CommonSettings) -> int:
    """Delete what these rules end, batch by batch; how many rows."""
    rows = 0
    for rule in () if isinstance(rules, Kept) else rules:
        age = period_of(settings, rule.period)
        place: Any = rule.walk.start if rule.walk else None
        while True:
            began = time.monotonic()
            gone, more, place = await _batch(database, table, rule, age=age, place=place)
            rows += gone
            ROWS_PURGED.labels(table).inc(gone)
            if not more:
                break
            await asyncio.sleep(time.monotonic() - began)
    return rows


async def _batch(database: Database, table: str, rule: Purged, *, age: timedelta, place: Any) -> tuple[int, bool, Any]:
    """Rows deleted, whether there may be more, and where a walk goes on."""
    async with database.write() as session:
        if rule.walk is None:
            gone = int(await driver(session).fetchval(statement(table, rule), age, BATCH_ROWS))
            return gone, gone == BATCH_ROWS, None
        row = await driver(session).fetchrow(statement(table, rule), age, BATCH_ROWS, place)
    more = row["seen"] == BATCH_ROWS and not (rule.walk.grows and row["reached"])
    return row["gone"], more, row["place"]


def statement(table: str, rule: Purged) -> str:
    """One batch as SQL: $1 the age, $2 the number of rows, $3 where a walk goes on. All names are ours."""
    over = f"{table}.{rule.at} < now() - $1::interval AND ({rule.only})"
    if rule.walk is None:
        return (
            f"WITH gone AS (DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {over}"  # noqa: S608
            f" ORDER BY {rule.at} LIMIT $2)) RETURNING 1) SELECT count(*) FROM gone"
        )
    key = rule.walk.key
    return (
        f"WITH page AS MATERIALIZED (SELECT ctid AS place, {key} AS key, {over} AS over,"  # noqa: S608
        f" {rule.at} >= now() - $1::interval AS young FROM {table} WHERE {key} > $3 ORDER BY {key} LIMIT $2),"
        f" gone AS (DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT place FROM page WHERE over)) RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM page) AS seen,"
        " (SELECT key FROM page ORDER BY key DESC LIMIT 1) AS place,"
        " coalesce((SELECT young FROM page ORDER BY key DESC LIMIT 1), true) AS reached"
    )


async def keep_bus_purged(settings: CommonSettings) -> None:
    """Forget what is older than the horizon, every `settings.retention_every_s`. Returns at once without such a bus."""
    if not settings.bus_url.startswith("postgresql"):
        return
    database = Database(settings.bus_url, application_name="bus retention", pool_size=1)
    try:
        while True:
            try:
                await forget_on_bus(database, settings.replay_horizon_days)
            except Exception:  # noqa: BLE001 - whatever it was, the next round tries again
                SWEEPS_FAILED.labels("bus_retention").inc()
                _log.warning("bus_not_purged", exc_info=True)
            await asyncio.sleep(settings.retention_every_s)
    finally:
        await database.close()


async def forget_on_bus(database: Database, days: int) -> Mapping[str, int]:
    """Delete every record older than `days`, in batches, partition by partition; how many by topic."""
    forgotten: dict[str, int] = {}
    async with database.read() as session:
        places = [tuple(row) for row in await driver(session).fetch(_PARTITIONS)]
    for topic, partition in places:
        gone = BATCH_ROWS
        while gone == BATCH_ROWS:
            async with database.write() as session:
                gone = await driver(session).fetchval(_FORGET, topic, partition, days, BATCH_ROWS)
            ROWS_PURGED.labels("bus_record").inc(gone)
            forgotten[topic] = forgotten.get(topic, 0) + gone
    return forgotten
