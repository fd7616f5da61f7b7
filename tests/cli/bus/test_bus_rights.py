"""Who may do what on the bus: one table, tried act by act in each principal's own name on both buses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)
from sqlalchemy import make_url

from libs.cli.bus.bus_grants import ROLE_PREFIX, embedded_grants, kafka_grants
from libs.cli.bus.kafka import ADMIN, as_principal
from libs.cli.bus.kafka_rights import set_passwords, set_rights
from libs.cli.bus.topics import TOPICS, declared_grants, ensure_topics
from libs.cli.installation import secrets
from libs.cli.installation.databases import SERVICES, bus_urls, ensure_databases
from libs.cli.installation.postgres import PostgresServer
from libs.common.bus.kafka import client_options
from libs.common.bus.opening import connect
from libs.common.bus.port import BusUnavailableError, OutgoingRecord, Topic, load_topics
from libs.common.running import alarms
from libs.common.running.settings import CommonSettings
from tests import servers
from tests.cli.world.places import server_folder

pytestmark = pytest.mark.timeout(300)
PARTITIONS = {topic.name: topic.partitions for topic in load_topics(TOPICS)}
ALL = tuple(PARTITIONS)
CASES = (
    "case.events",
    "case.events.http",
    "case.events.fasit",
    "case.events.domus",
    "case.events.dubu",
    "case.events.cpr",
)
SOURCES = ("fasit", "domus", "dubu", "cpr")
_PARKED_CASES = {f"{topic}.dead-letter" for topic in CASES}
WRITES = {
    "consent": {"consent.events", "audit.entries", *_PARKED_CASES},
    "advis": {"case.events", "case.events.http", "audit.entries", "consent.events.dead-letter", *_PARKED_CASES},
    "audit": {"audit.entries", "audit.entries.dead-letter"},
}
READS = {"consent": set(CASES), "advis": {*CASES, "consent.events"}, "audit": {"audit.entries"}}
GROUPS = {"consent": {"consent"}, "advis": {"advis.case-events", "advis.consent-events"}, "audit": {"audit"}}

# (principal of Kafka, act, topic or group, allowed?); on the embedded bus a service has one principal for both roles.
KAFKA = [
    *((f"{who}-relay", "write", topic, topic in may) for who, may in WRITES.items() for topic in ALL),
    *((f"{who}-relay", "read", topic, False) for who in SERVICES for topic in ALL),
    *((f"{who}-consumer", "read", topic, topic in may) for who, may in READS.items() for topic in ALL),
    *((f"{who}-consumer", "write", topic, False) for who in SERVICES for topic in ALL),
    *(
        (f"{who}-consumer", "join", group, group in may)
        for who, may in GROUPS.items()
        for group in set().union(*GROUPS.values())
    ),
    *((who, "write", topic, topic == f"case.events.{who}") for who in SOURCES for topic in ALL),
    *((who, "read", topic, False) for who in SOURCES for topic in ALL),
]
EMBEDDED = [
    *((who, "write", topic, topic in may) for who, may in WRITES.items() for topic in ALL),
    *((who, "read", topic, topic in may) for who, may in READS.items() for topic in ALL),
]
FORBIDDEN_SQL = (
    "DELETE FROM bus_record",
    "UPDATE bus_record SET value = ''",
    "TRUNCATE bus_record",
    "INSERT INTO bus_record VALUES ('audit.entries', 0, 99, '', '[]', '')",
    "UPDATE bus_partition SET next_offset = 0",
    "DELETE FROM bus_partition",
    "INSERT INTO bus_partition (topic, partition) VALUES ('mine', 0)",
    "INSERT INTO bus_horizon VALUES ('consent.events', interval '1 day')",
    "UPDATE bus_horizon SET kept = interval '1 day'",
    "INSERT INTO bus_grant VALUES (session_user, 'consent.events', true, true)",
    "UPDATE bus_grant SET writes = true, reads = true",
    "ALTER TABLE bus_record DISABLE ROW LEVEL SECURITY",
    "DROP POLICY readable ON bus_record",
    "CREATE TABLE mine (x int)",
    "ALTER FUNCTION bus_append SECURITY INVOKER",
    "SET ROLE bus",
)


def test_the_grants_are_the_table() -> None:
    kafka = {grant.principal: grant for grant in declared_grants(embedded=False)}
    assert set(kafka) == {row[0] for row in KAFKA}
    for who, act, what, allowed in KAFKA:
        has = {"write": kafka[who].writes, "read": kafka[who].reads, "join": kafka[who].groups}[act]
        assert (what in has) == allowed, (who, act, what)
    for grant in embedded_grants(ALL):
        who = grant.principal.removeprefix(ROLE_PREFIX)
        assert (grant.writes, grant.reads) == (WRITES[who], READS[who])


def test_a_declared_source_without_a_topic_of_its_own_gets_none_of_anothers() -> None:
    for grant in kafka_grants((), ()):
        assert not any(topic.startswith("case.events.") and topic != "case.events.http" for topic in grant.writes)


# --- The embedded bus -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    kept = secrets.prepare(tmp_path_factory.mktemp("secrets"))
    with server_folder() as folder, PostgresServer.start(folder / "data", settings={"fsync": "off"}) as server:

        async def prepare() -> dict[str, str]:
            owner = (await ensure_databases(server.admin_url, kept))["bus"].owner
            for _ in range(2):  # again: it changes nothing
                await ensure_topics(owner)
            return bus_urls(server.admin_url, kept) | {"owner": owner}

        yield servers.aside(prepare())


async def on_embedded(urls: dict[str, str], who: str, act: str, topic: str) -> bool:
    bus = connect(urls[who], client_id=who)
    await bus.start()
    try:
        if act == "write":
            await bus.publish([OutgoingRecord(topic, "k", (), b"x")])
            return True
        reader = bus.consumer(f"try {who}", [topic], from_zero)
        await reader.start()
        found = await reader.fetch(timeout_s=0)
        await reader.stop()
        alarms._PENDING.take()  # what may not be seen looks lost to who asks for it
        return bool(found)
    except BusUnavailableError as error:
        if "InsufficientPrivilege" not in repr(error.__cause__):
            raise
        return False
    finally:
        await bus.stop()


def _dsn(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def from_zero(_topic: str, _partition: int) -> int:
    return 0


@pytest.mark.parametrize("who", SERVICES)
async def test_a_service_does_on_the_embedded_bus_what_the_table_allows_and_nothing_else(
    embedded: dict[str, str], who: str
) -> None:
    owner = connect(embedded["owner"], client_id="owner")
    await owner.publish([OutgoingRecord(topic, "k", (), b"x") for topic in ALL])
    await owner.stop()
    for principal, act, topic, allowed in EMBEDDED:
        if principal == who:
            assert await on_embedded(embedded, who, act, topic) == allowed, (who, act, topic)


@pytest.mark.parametrize("who", SERVICES)
async def test_nobody_but_the_owner_changes_deletes_or_moves_anything(embedded: dict[str, str], who: str) -> None:
    session = await asyncpg.connect(_dsn(embedded[who]))
    try:
        for statement in FORBIDDEN_SQL:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(statement)
        topics = {row["topic"] for row in await session.fetch("SELECT DISTINCT topic FROM bus_record")}
        assert topics <= READS[who]
    finally:
        await session.close()


@pytest.mark.parametrize("who", SERVICES)
async def test_a_service_deletes_nothing_that_the_owner_still_keeps_whatever_it_asks_for(
    embedded: dict[str, str], who: str
) -> None:
    horizon = CommonSettings.model_fields["replay_horizon_days"].default
    topics = ("audit.entries.dead-letter", "no horizon")
    bus = connect(embedded["owner"], client_id="owner")
    await bus.ensure_topics([Topic("no horizon", 1)])
    owner, service = [await asyncpg.connect(_dsn(embedded[name])) for name in ("owner", who)]
    try:
        for topic, kept_days in zip(topics, (horizon, 365), strict=True):
            for age_days, gone in ((kept_days - 1, 0), (kept_days + 1, 1)):
                await owner.execute("DELETE FROM bus_record WHERE topic = $1", topic)
                await owner.execute(
                    'INSERT INTO bus_record (topic, partition, "offset", headers, at)'
                    " VALUES ($1, 0, 0, '', now() - make_interval(days => $2))",
                    *(topic, age_days),
                )
                for asked_days in (-1, 0, 1):
                    found = await service.fetchval("SELECT bus_forget($1, 0, $2, 1000)", topic, asked_days)
                    assert found == (gone if asked_days == -1 else 0)
                left = await owner.fetchval("SELECT count(*) FROM bus_record WHERE topic = $1", topic)
                assert left == 1 - gone, (topic, age_days)
    finally:
        await bus.stop()
        await owner.close()
        await service.close()


# --- Kafka ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("kafka")
    kept = secrets.prepare(folder / "secrets")
    server = servers.own_kafka(folder / "broker", kept.bus(ADMIN))
    passwords = {grant.principal: kept.bus(grant.principal) for grant in declared_grants(embedded=False)}

    async def prepare() -> None:
        for _ in range(2):  # again: it changes nothing
            await ensure_topics(server.admin_url, passwords=passwords)
        bus = connect(server.admin_url, client_id="owner")
        await bus.publish([OutgoingRecord(topic, "k", (), b"x") for topic in ALL])
        await bus.stop()

    servers.aside(prepare())
    yield {name: as_principal(server.admin_url, name, password) for name, password in passwords.items()} | {
        "nobody": f"kafka://{server.bootstrap_servers}",
        "impostor": as_principal(server.admin_url, "consent-relay", "wrong"),
        "impostor admin": as_principal(server.admin_url, ADMIN, kept.bus("consent-relay")),
    }
    server.stop()


@pytest.mark.kafka
@pytest.mark.parametrize("who", sorted({row[0] for row in KAFKA}))
async def test_a_principal_does_on_kafka_what_the_table_allows_and_nothing_else(
    broker: dict[str, str], who: str
) -> None:
    wrong = []
    async with asyncio.timeout(120), _producing(broker[who]) as producer:
        await producer.client.set_topics(ALL)
        for _, act, what, allowed in (row for row in KAFKA if row[0] == who):
            tried = {"write": _write, "read": _read, "join": _join}[act]
            if await _allowed(tried(producer, broker[who], what)) != allowed:
                wrong.append((who, act, what, allowed))
    assert not wrong


@asynccontextmanager
async def _producing(url: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**client_options(url), acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _allowed(act: Awaitable[None]) -> bool:
    try:
        await act
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
        return False
    return True


def _require_visible(producer: AIOKafkaProducer, topic: str) -> None:
    """A client waits long for a topic that the broker refuses even to describe: the refusal is in its metadata."""
    if topic in producer.client.cluster.unauthorized_topics:
        raise TopicAuthorizationFailedError(topic)


async def _write(producer: AIOKafkaProducer, _url: str, topic: str) -> None:
    _require_visible(producer, topic)
    await producer.send_and_wait(topic, b"x", key=b"k")


async def _read(producer: AIOKafkaProducer, url: str, topic: str) -> None:
    _require_visible(producer, topic)
    reader = AIOKafkaConsumer(**client_options(url))
    await reader.start()
    try:
        places = [TopicPartition(topic, nth) for nth in range(PARTITIONS[topic])]
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        await reader.getone()
    finally:
        await reader.stop()


async def _join(_producer: AIOKafkaProducer, url: str, group: str) -> None:
    """Moving another group's committed offsets is what a member may do."""
    reader = AIOKafkaConsumer(**client_options(url), group_id=group, enable_auto_commit=False)
    await reader.start()
    try:
        place = TopicPartition(
            {"audit": "audit.entries"}.get(url.split("//")[1].split("-", maxsplit=1)[0], "case.events"), 0
        )
        reader.assign([place])
        await reader.commit({place: 0})
    finally:
        await reader.stop()


@pytest.mark.kafka
@pytest.mark.parametrize("who", ["nobody", "impostor", "impostor admin"])
async def test_who_does_not_sign_in_is_not_let_in(broker: dict[str, str], who: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(broker[who]), request_timeout_ms=3000)
    with pytest.raises(KafkaError):
        await admin.start()
    await admin.close()


@pytest.mark.kafka
@pytest.mark.parametrize("who", ["consent-relay", "advis-consumer", "fasit"])
async def test_nobody_but_the_owner_makes_or_deletes_on_kafka(broker: dict[str, str], who: str) -> None:
    refused = {TopicAuthorizationFailedError, ClusterAuthorizationFailedError}
    async with _admin(broker[who]) as admin:
        (_, code, *_), *_ = (await admin.create_topics([NewTopic("mine", 1, 1)])).topic_errors
        assert for_code(code) in refused
        (_, code, *_), *_ = (await admin.delete_topics(["consent.events"])).topic_error_codes
        assert for_code(code) in refused
        with pytest.raises(KafkaError):
            await admin.delete_records({TopicPartition("consent.events", 0): RecordsToDelete(before_offset=1)})
    for act in (
        set_passwords(broker[who], {"fasit": "x"}),
        set_rights(broker[who], declared_grants(embedded=False)),
    ):
        with pytest.raises(BusUnavailableError):
            await act


@asynccontextmanager
async def _admin(url: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(url))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
