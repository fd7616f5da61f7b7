"""What is over goes, in batches that an index finds; what is not sent, not ended or not acknowledged stays."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from libs.common.bus.port import Bus, OutgoingRecord, Topic
from libs.common.database.database import Database, driver
from libs.common.observing.metrics import ROWS_PURGED
from libs.common.running import alarms
from libs.common.running import retention as running_retention
from libs.common.running.alarms import AlarmCode
from libs.common.running.retention import COMMON, Kept, Purged, keep_purging, purge
from libs.common.running.settings import CommonSettings
from services.advis.retention import RETENTION as ADVIS
from services.consent.retention import RETENTION as CONSENT
from services.consent.settings import Settings as ConsentSettings
from tests.servers import Postgres, TestDatabase
from tests.waiting import until

REQUIRED = {"database_url": "none", "bus_url": "none", "issuer_url": "none", "audience": "none"}
MANY = 100_000


@pytest.fixture
def settings() -> CommonSettings:
    return CommonSettings(**REQUIRED, retention_every_s=1)


@pytest.fixture
async def owner(plain_database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    session = await asyncpg.connect(plain_database.owner_url.replace("+asyncpg", ""))
    yield session
    await session.close()


OUTBOX = (
    "INSERT INTO outbox (topic, key, lane, event_id, type, headers, payload, created_at, generation, number)"
    " SELECT 't', 'k', $1, 'e', 'y', '[]', '', now() - $2::text::interval, $3, n"
    " FROM generate_series($4::bigint, $5::bigint) n"
)
BATCHES_OF_TEN = """
CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF (SELECT count(*) FROM gone) > 10 THEN RAISE EXCEPTION 'too many at once'; END IF; RETURN NULL; END $$;
CREATE TRIGGER few AFTER DELETE ON {0} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION few()
"""


async def rows(owner: asyncpg.Connection, query: str) -> list[tuple]:
    return [tuple(row) for row in await owner.fetch(query)]


async def test_of_the_outbox_goes_what_is_sent_and_old(database: Database, owner, settings, monkeypatch):
    monkeypatch.setattr(running_retention, "BATCH_ROWS", 10)
    await owner.execute(
        "INSERT INTO outbox_lane (lane, generation, numbered, sent) VALUES (1, 2, 40, 30), (2, 1, 0, 0)"
    )
    await owner.execute(OUTBOX, 2, "16 days", None, 0, 12)  # more than a batch that is not even numbered, first of all
    await owner.execute("UPDATE outbox SET number = NULL WHERE generation IS NULL")
    await owner.execute(OUTBOX, 1, "16 days", 1, 31, 40)  # an older generation: sent before it was raised
    await owner.execute(OUTBOX, 1, "16 days", 2, 1, 35)
    await owner.execute(OUTBOX, 1, "14 days", 2, 20_001, 20_025)
    await owner.execute("UPDATE outbox SET number = number - 10000 WHERE number > 20000")
    await owner.execute(BATCHES_OF_TEN.format("outbox"))
    before = ROWS_PURGED.labels("outbox")._value.get()
    assert await purge(database, "outbox", COMMON["outbox"], settings) == 40
    kept = await rows(
        owner, "SELECT lane, generation, min(number), max(number) FROM outbox GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert kept == [(1, 2, 31, 10_025), (2, None, None, None)]
    assert ROWS_PURGED.labels("outbox")._value.get() == before + 40


async def test_keys_and_acknowledged_alarms_go_in_batches(database: Database, owner, settings, monkeypatch):
    monkeypatch.setattr(running_retention, "BATCH_ROWS", 10)
    await owner.execute(
        "INSERT INTO inbox SELECT 's', n::text, now() - n * interval '1 hour' FROM generate_series(1, 400) n"
    )
    await owner.execute(
        "INSERT INTO alarm (code, about, count, acknowledged_at)"
        " SELECT 'c', n::text, 1, CASE WHEN n > 5 THEN now() - n * interval '10 days' END FROM generate_series(1, 40) n"
    )
    await owner.execute(BATCHES_OF_TEN.format("inbox"))
    assert await purge(database, "inbox", COMMON["inbox"], settings) == 41
    assert await purge(database, "alarm", COMMON["alarm"], settings) == 32
    assert await rows(owner, "SELECT count(*) FROM inbox") == [(359,)]
    assert await rows(owner, "SELECT count(*) FROM alarm WHERE acknowledged_at IS NULL") == [(5,)]


async def test_a_rule_that_fails_stops_no_other_and_becomes_an_alarm(database: Database, owner, settings):
    """`first` cannot be purged; `inbox`, which stands after it, is purged all the same."""
    broken = {"first": (Purged("at", "replay_horizon_days", "no such table"),), "inbox": COMMON["inbox"]}
    quick = settings.model_copy(update={"retention_every_s": 0})
    await owner.execute("INSERT INTO inbox VALUES ('s', 'old', now() - interval '16 days')")
    purging = asyncio.create_task(keep_purging(database, broken, quick))

    async def alarmed() -> bool:
        return (AlarmCode.SWEEP_FAILING, "retention/first") in alarms._PENDING._counts

    await until(alarmed)
    purging.cancel()
    await asyncio.gather(purging, return_exceptions=True)
    waiting = alarms._PENDING.take()
    assert not [about for _, about in waiting if about != "retention/first"]
    assert await rows(owner, "SELECT * FROM inbox") == []


PLANS = {
    "outbox": (
        "plain",
        (
            "INSERT INTO outbox (topic, key, lane, event_id, type, headers, payload, created_at)"
            " SELECT 't', 'k', 1, 'e', 'y', '[]', '', now() - n * interval '30 seconds'"
            " FROM generate_series({0}, 1, -1) n"
        ),
    ),
    "inbox": ("plain", "INSERT INTO inbox SELECT 's', n::text, now() - n * interval '30 seconds' FROM {1} n"),
    "reported_event": (
        "advis",
        "INSERT INTO reported_event SELECT 's', n::text, '', false, now() - n * interval '30 seconds' FROM {1} n",
    ),
    "alarm": (
        "plain",
        (
            "INSERT INTO alarm (code, about, count, acknowledged_at)"
            " SELECT 'c', n::text, 1, now() - n * interval '5 minutes' FROM {1} n"
        ),
    ),
    "idempotency": (
        "consent",
        (
            "INSERT INTO idempotency (actor, key, request_sha256, created_at)"
            " SELECT 'a', n::text, 's', now() - n * interval '4 seconds' FROM {1} n"
        ),
    ),
    "permit": (
        "consent",
        (
            "INSERT INTO permit (permit_id, holder_id, state, ended_at)"
            " SELECT gen_random_uuid(), gen_random_uuid(), 'settled', now() - n * interval '1 second' FROM {1} n"
        ),
    ),
    "parked_event": (
        "advis",
        "INSERT INTO parked_event SELECT 's', n::text, 'r', now() - n * interval '30 seconds' FROM {1} n",
    ),
    "ingested": ("advis", "INSERT INTO ingested SELECT 's', n::text, '', now() - n * interval '30 seconds' FROM {1} n"),
    "notification": (
        "advis",
        (
            "INSERT INTO notification SELECT gen_random_uuid(), gen_random_uuid(), 's', n::text, 't', NULL, now(),"
            " now() - n * interval '2 minutes', 'u', 'r', 'p', gen_random_uuid(), 'c', '[]', '{{}}',"
            " CASE WHEN n % 50 = 0 THEN 'handled' ELSE 'unread' END, now() - n * interval '1 minute' FROM {1} n"
        ),
    ),
}
RULES = [(table, rule) for table in PLANS for rule in {**CONSENT, **ADVIS}[table]]


def test_every_rule_has_its_plan_looked_at():
    purged = {table for rules in (CONSENT, ADVIS) for table, rule in rules.items() if not isinstance(rule, Kept)}
    assert purged == set(PLANS)


@pytest.fixture(scope="module")
def filled(postgres: Postgres, plain_template: str) -> dict[str, str]:
    """One database for each owner of tables, with many rows in all that are purged."""
    made = {}
    for owner in ("plain", "consent", "advis"):
        template = plain_template if owner == "plain" else postgres.template(owner)
        made[owner] = postgres.create(f"{owner}_owner", template=template)
    for table, (owner, insert) in PLANS.items():
        text = insert.format(MANY, f"generate_series(1, {MANY})")
        postgres.execute(text, f"ANALYZE {table}", database=made[owner])
    yield made
    for name in made.values():
        postgres.drop(name)


@pytest.mark.parametrize(("table", "rule"), RULES, ids=lambda value: value if isinstance(value, str) else value.at)
async def test_a_batch_is_found_by_an_index(postgres: Postgres, filled: dict[str, str], table: str, rule: Purged):
    owner = PLANS[table][0]
    settings = ConsentSettings(**REQUIRED, permit_kept_hours=24)
    periods = {"retention_done_days": "30 days", "retention_any_days": "90 days"}
    session = await asyncpg.connect(postgres.url(f"{owner}_owner", filled[owner]).replace("+asyncpg", ""))
    try:
        age = (
            periods.get(rule.period) or f"{running_retention.period_of(settings, rule.period).total_seconds()} seconds"
        )
        text = running_retention.statement(table, rule).replace("$1", f"'{age}'").replace("$2", "1000")
        if rule.walk:
            start = rule.walk.start
            text = text.replace("$3", str(start) if isinstance(start, int) else f"'{start}'")
        plan = "\n".join(row[0] for row in await session.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {text}"))
    finally:
        await session.close()
    assert f"Seq Scan on {table}" not in plan, plan
    assert f"Sort Key: {table}" not in plan, plan


async def test_the_embedded_bus_forgets_from_the_beginning_of_each_partition(
    embedded_bus: Bus, bus_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(running_retention, "BATCH_ROWS", 10)
    topics = ("consent.events", "consent.events.dead-letter")
    await embedded_bus.ensure_topics([Topic(name, 1) for name in topics])
    for topic in topics:
        await embedded_bus.publish([OutgoingRecord(topic, "k", (), b"%d" % n) for n in range(25)])
    database = Database(bus_url, application_name="test", pool_size=2)
    async with database.write() as session:
        await driver(session).execute(
            "UPDATE bus_record SET at = now() - interval '16 days' WHERE \"offset\" < 23; "
            + BATCHES_OF_TEN.format("bus_record")
        )
    assert await running_retention.forget_on_bus(database, 15) == dict.fromkeys(topics, 23)
    async with database.read() as session:
        left = await driver(session).fetch('SELECT topic, "offset" FROM bus_record ORDER BY 1, 2')
    assert [tuple(row) for row in left] == [(topic, offset) for topic in topics for offset in (23, 24)]
    await database.close()
