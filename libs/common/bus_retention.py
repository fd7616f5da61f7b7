"""How long the embedded bus keeps a record: as long as a restored database may have to read it again.

A service's role may only insert into the bus, so the bus's owner gives all of them one function that deletes what is
over, from the beginning of a partition, and nothing younger than a day. Kafka does this by itself (`retention.ms`).
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from libs.common.database import Database, driver
from libs.common.log import get_logger
from libs.common.metrics import ROWS_PURGED, SWEEPS_FAILED
from libs.common.retention import BATCH_ROWS, Kept, Purged, Retention
from libs.common.settings import CommonSettings

BUS_RETENTION: Final[Retention] = {
    "bus_record": (
        Purged(
            "at",
            "replay_horizon_days",
            "Every record of every topic, dead letters too, from the beginning of each partition.",
        ),
    ),
    "bus_partition": Kept("One row a partition: the next offset."),
}
FUNCTION: Final = """
CREATE OR REPLACE FUNCTION bus_forget(of_topic text, of_partition integer, days integer, batch integer)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH oldest AS MATERIALIZED (
    SELECT "offset" AS place FROM bus_record WHERE topic = of_topic AND partition = of_partition
    ORDER BY "offset" LIMIT batch
  ), gone AS (
    DELETE FROM bus_record r USING oldest
    WHERE r.topic = of_topic AND r.partition = of_partition AND r."offset" = oldest.place
      AND r.at < now() - make_interval(days => greatest(days, 1))
    RETURNING 1)
  SELECT count(*) FROM gone
$$;
"""
_PARTITIONS = "SELECT topic, partition FROM bus_partition ORDER BY topic, partition"
_FORGET = "SELECT bus_forget($1, $2, $3, $4)"

_log = get_logger()


async def keep_bus_purged(settings: CommonSettings) -> None:
    """Forget what is older than the horizon, every `settings.retention_every_s`. Returns at once without such a bus."""
    if not settings.bus_url.startswith("postgresql"):
        return
    database = Database(settings.bus_url, application_name="bus retention", pool_size=1)
    try:
        while True:
            try:
                await forget(database, settings.replay_horizon_days)
            except Exception:  # noqa: BLE001 - whatever it was, the next round tries again
                SWEEPS_FAILED.labels("bus_retention").inc()
                _log.warning("bus_not_purged", exc_info=True)
            await asyncio.sleep(settings.retention_every_s)
    finally:
        await database.close()


async def forget(database: Database, days: int) -> Mapping[str, int]:
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
