"""Whatever a record is made of, it is handled or parked byte for byte, and the partition goes on; on both buses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as aiokafka_producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from libs.common.bus.cloudevents import from_delivery
from libs.common.bus.opening import connect
from libs.common.bus.port import (
    Bus,
    Delivery,
    OutgoingRecord,
    PoisonRecordError,
    Replay,
    Topic,
    pack_headers,
    raw,
    readable,
    unpack_headers,
)
from libs.common.consuming import consumer as consuming_consumer
from libs.common.consuming.parking import (
    REPLAY_HEADER,
    SEALED_BYTES_MAX,
    STUB,
    framed,
    opened,
    parked,
    sent_again,
    unframed,
)
from libs.common.consuming.seal import Keys, SealError, new_keys, public_half
from libs.common.database.database import Database, WriteSession
from tests.common.world.handling import Recorder, consuming, effects, letters, position, publish
from tests.conftest import MakeTopic
from tests.operator import DOCUMENT, OPERATOR, as_delivered, letter_of, opened_row, parking, reason_in
from tests.waiting import until

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
OCTETS = st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"\x00", b"a\x00b", b"\xff\xfe", b"\xed\xa0\x80"]))
NAMES = st.one_of(
    OCTETS.map(readable), st.sampled_from(["ce_id", "ce_note", "content-type", REPLAY_HEADER, "dl_reason"])
)
SENDABLE = NAMES.filter(lambda name: "�" not in name and raw(name).decode(errors="replace") == name)


def records(names: st.SearchStrategy[str], topic: str = "t") -> st.SearchStrategy[OutgoingRecord]:
    """Records of any bytes: null and empty, invalid UTF-8, NUL, names given twice."""

    def made(key: bytes, headers: list[tuple[str, bytes | None]], value: bytes, null: frozenset[str]) -> OutgoingRecord:
        key, value = (b"" if "key" in null else key), (b"" if "value" in null else value)
        return OutgoingRecord(topic, readable(key), tuple(headers), value, null)

    nulls = st.sampled_from([frozenset(), frozenset({"key"}), frozenset({"value"})])
    headers = st.lists(st.tuples(names, st.none() | OCTETS), max_size=6)
    return st.builds(made, OCTETS, headers, OCTETS | st.binary(max_size=3000), nulls)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libs.common.consuming.consumer.BACKOFF_MAX_S", 0.05)


@given(records(NAMES))
def test_any_record_is_sealed_and_opened_as_it_was(record: OutgoingRecord):
    letter = parking("advis").letter(as_delivered(record, 7), "invalid_data", NOW)
    said = parked(as_delivered(letter))
    assert (said.reason, said.service, said.place, said.first_parked) == ("invalid_data", "advis", ("t", 0, 7), NOW)
    assert opened(as_delivered(letter), OPERATOR) == record


@given(st.lists(st.tuples(NAMES, st.none() | OCTETS)))
def test_headers_of_any_bytes_are_packed_and_unpacked(headers: list[tuple[str, bytes | None]]):
    assert unpack_headers(pack_headers(tuple(headers))) == tuple(headers)


@given(records(NAMES))
def test_reading_any_record_as_an_event_is_a_code_and_nothing_else(record: OutgoingRecord):
    with pytest.raises(
        PoisonRecordError, match=r"^(not_cloudevent|bad_[a-z]+)$"
    ):  # none of these has all the attributes
        from_delivery(as_delivered(record))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(records(SENDABLE), min_size=1, max_size=8))
async def test_every_record_is_parked_byte_for_byte_and_the_partition_goes_on(
    bus: Bus, database: Database, make_topic: MakeTopic, drawn: list[OutgoingRecord]
):
    topic = await make_topic()
    sent = [OutgoingRecord(topic, one.key, one.headers, one.value, one.null) for one in drawn]
    after = str(uuid4())

    async def picky(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.value != after.encode():
                from_delivery(delivery)
                raise PoisonRecordError("invalid_data")

    async with database.write() as session:
        await session.execute(text("DELETE FROM outbox"))
    await bus.publish(sent)
    await publish(bus, topic, after)
    async with consuming(bus, database, topic, Recorder(preparing=picky)):
        await until(lambda: _handled(database, after))
    rows = await letters(database)
    assert [opened_row(row) for row in rows] == sent
    reasons = {reason_in(row) for row in rows}
    assert {reason for reason in reasons if not reason.startswith("bad_")} <= {
        *("not_cloudevent", "invalid_data", "forged_replay")
    }


async def _handled(database: Database, identity: str) -> bool:
    return identity in await effects(database)


class _AnyName(str):
    """A header's name that is sent as the bytes it stands for, as a producer in C would."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return raw(str(self))


@pytest.mark.kafka
async def test_a_header_name_of_any_bytes_is_read_and_parked(
    kafka: str, database: Database, monkeypatch: pytest.MonkeyPatch
):
    """aiokafka refuses such a record for ever, and with it those that lie before it in its batch."""
    bus = connect(f"kafka://{kafka}", client_id="test")
    await bus.start()
    topic = f"t-{uuid4().hex}"
    await bus.ensure_topics([Topic(topic, 1)])
    name = readable(b"\xff\xfe\x00name")
    for module in (aiokafka_producer, message_accumulator):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=200)
    await producer.start()
    futures = [await producer.send(topic, b"before", key=b"k")]
    futures.append(await producer.send(topic, b"poison", key=b"k", headers=[(_AnyName(name), b"x"), ("b", None)]))
    futures.append(await producer.send(topic, b"after", key=b"k"))
    for future in futures:
        await future
    await producer.stop()

    async def picky(deliveries: Sequence[Delivery]) -> None:
        if any(delivery.headers for delivery in deliveries):
            raise PoisonRecordError("invalid_data")

    async with consuming(bus, database, topic, Recorder(preparing=picky)):
        await until(lambda: _handled(database, "after"))
    assert await effects(database) == ["after", "before"]
    (row,) = await letters(database)
    assert opened_row(row) == OutgoingRecord(topic, "k", ((name, b"x"), ("b", None)), b"poison")
    await bus.stop()


async def test_what_is_too_large_to_be_sealed_is_parked_as_a_stub(bus: Bus, database: Database, make_topic: MakeTopic):
    topic = await make_topic()
    record = OutgoingRecord(topic, "k", (), b"\x00" * (SEALED_BYTES_MAX + 1))
    await bus.publish([record])
    await publish(bus, topic, "after")

    async def picky(deliveries: Sequence[Delivery]) -> None:
        if any(delivery.value != b"after" for delivery in deliveries):
            raise PoisonRecordError("invalid_data")

    async with consuming(bus, database, topic, Recorder(preparing=picky)):
        await until(lambda: _handled(database, "after"))
    (row,) = await letters(database)
    said = parked(letter_of(row))
    assert (said.form, said.reason, said.place, said.size) == (
        STUB,
        "invalid_data",
        (topic, 0, 0),
        len(record.value) + 1,
    )
    with pytest.raises(SealError):
        opened(letter_of(row), OPERATOR)


async def test_when_the_database_refuses_the_letter_a_stub_is_parked(
    bus: Bus, database: Database, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
):
    """Nobody knows how; but if it does, the partition goes on."""
    real = consuming_consumer.append

    async def refusing(session: WriteSession, messages: Sequence[OutgoingRecord]) -> None:
        if any(message.value for message in messages):
            await session.execute(text("SELECT 1/0"))
        await real(session, messages)

    monkeypatch.setattr(consuming_consumer, "append", refusing)
    topic = await make_topic()
    await publish(bus, topic, "poison", "after")

    async def picky(deliveries: Sequence[Delivery]) -> None:
        if any(delivery.value != b"after" for delivery in deliveries):
            raise PoisonRecordError("invalid_data")

    async with consuming(bus, database, topic, Recorder(preparing=picky)):
        await until(lambda: _handled(database, "after"))
    (row,) = await letters(database)
    assert (parked(letter_of(row)).form, reason_in(row)) == (STUB, "invalid_data")


async def test_a_record_older_than_the_horizon_is_parked_and_never_handled(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    await publish(bus, topic, "old")
    async with consuming(bus, database, topic, Recorder(), horizon=timedelta(0)):
        await until(lambda: letters(database))
    (row,) = await letters(database)
    assert (reason_in(row), opened_row(row).value) == ("too_old", b"old")
    assert await effects(database) == []
    assert await position(database, topic) == 1


async def test_a_record_sent_again_says_when_it_was_first_parked_and_nobody_else_can(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    record = OutgoingRecord(topic, "k", (("own", b"\x00"), ("own", None)), b"again")
    letter = as_delivered(parking().letter(as_delivered(record), "invalid_data", NOW))
    again = sent_again(opened(letter, OPERATOR), parked(letter), OPERATOR)
    statement = again.headers[-1]
    seen: list[Replay | None] = []

    async def noting(deliveries: Sequence[Delivery]) -> None:
        seen.extend(delivery.replay for delivery in deliveries)
        assert all(name != REPLAY_HEADER for delivery in deliveries for name, _ in delivery.headers)

    others = [
        OutgoingRecord(topic, "k", (statement,), b"another"),  # the statement is about another record
        OutgoingRecord(topic, "k", ((REPLAY_HEADER, b"e30.e30.AAAA"),), b"unsigned"),
        OutgoingRecord(topic, "k", (*again.headers, statement), b"again"),
    ]
    await bus.publish([again, *others])
    async with consuming(bus, database, topic, Recorder(preparing=noting)):
        await until(lambda: _count(database, len(others)))
        await until(lambda: _handled(database, "again"))
    assert [replay and replay.first_parked for replay in seen] == [NOW]
    assert {reason_in(row) for row in await letters(database)} == {"forged_replay"}


async def _count(database: Database, wanted: int) -> bool:
    return len(await letters(database)) == wanted


async def test_parked_again_it_keeps_the_moment_at_which_it_was_first_parked():
    record = OutgoingRecord("t", "k", (), b"v")
    first = as_delivered(parking().letter(as_delivered(record), "unhandled", NOW))
    again = parking().admitted(as_delivered(sent_again(record, parked(first), OPERATOR), 9))
    second = as_delivered(parking().letter(again, "unhandled", NOW + timedelta(days=3)))
    assert parked(second).first_parked == NOW
    assert parked(second).timestamp == parked(first).timestamp
    assert opened(second, OPERATOR) == record


def test_after_a_rotation_old_letters_open_and_new_ones_are_sealed_to_the_new_key():
    old = as_delivered(parking().letter(as_delivered(OutgoingRecord("t", "k", (), b"v")), "unhandled", NOW))
    rotated = {"keys": [*DOCUMENT["keys"], *new_keys()["keys"]]}
    assert opened(old, Keys(rotated)).value == b"v"
    assert Keys(public_half(rotated)).key_id != OPERATOR.key_id
    with pytest.raises(SealError):
        opened(old, Keys(new_keys()))


def test_a_letter_whose_place_or_reason_was_changed_does_not_open():
    letter = parking().letter(as_delivered(OutgoingRecord("t", "k", (), b"v")), "unhandled", NOW)
    headers = tuple((name, b"3" if name == "dl_offset" else value) for name, value in letter.headers)
    with pytest.raises(SealError):
        opened(as_delivered(OutgoingRecord(letter.topic, letter.key, headers, letter.value)), OPERATOR)


@given(records(NAMES))
def test_a_record_is_framed_without_loss(record: OutgoingRecord):
    assert unframed("t", framed(record.key, record.headers, record.value, record.null)) == record


async def test_a_record_that_locks_a_person_has_a_transaction_of_its_own(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic, sizes = await make_topic(), []

    async def noting(deliveries: Sequence[Delivery]) -> None:
        sizes.append([delivery.value.decode() for delivery in deliveries])

    await publish(bus, topic, "a", "b", "alone-1", "alone-2", "c")
    async with consuming(bus, database, topic, Recorder(before=noting)):
        await until(lambda: _handled(database, "c"))
    assert [one for one in sizes if any("alone" in value for value in one)] == [["alone-1"], ["alone-2"]]
