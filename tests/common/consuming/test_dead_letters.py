"""A record that cannot be handled is parked with its reason, and holds up nothing else."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from libs.common.bus.port import Bus, Delivery, OutgoingRecord
from libs.common.consuming.consumer import PoisonRecordError
from libs.common.consuming.parking import opened
from libs.common.consuming.parking import parked as parked_in
from libs.common.consuming.seal import Keys, SealError, public_half
from libs.common.database.database import Database
from libs.common.outbox.relay import Relay
from tests.common.world.handling import Recorder, consuming, effects, parked, position, publish
from tests.common.world.relaying import everything, running
from tests.conftest import MakeTopic
from tests.operator import DOCUMENT, OPERATOR
from tests.waiting import until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libs.common.consuming.consumer.BACKOFF_MAX_S", 0.05)


async def poisoned(deliveries: Sequence[Delivery]) -> None:
    if any(delivery.value == b"poison" for delivery in deliveries):
        raise PoisonRecordError("unknown_type")


async def test_a_poison_record_is_parked_and_its_neighbours_are_handled(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    await publish(bus, topic, "a", "poison", "b")
    async with consuming(bus, database, topic, Recorder(preparing=poisoned)):
        await publish(bus, topic, "c")
        await until(lambda: _handled(database, ["a", "b", "c"]))
    assert await parked(database) == [(f"{topic}.dead-letter", "poison", "unknown_type")]
    assert await position(database, topic) == 4


async def _handled(database: Database, expected: list[str]) -> bool:
    return await effects(database) == expected


async def test_a_record_found_poisonous_inside_the_transaction_leaves_no_half_effect(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    await publish(bus, topic, "a", "poison", "b")
    async with consuming(bus, database, topic, Recorder(after=poisoned)):
        await until(lambda: _handled(database, ["a", "b"]))
    assert [reason for _, _, reason in await parked(database)] == ["unknown_type"]


async def test_a_parked_record_reaches_the_dead_letter_topic_as_it_came(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    await bus.publish([OutgoingRecord(topic, "k", (("ce_id", b"7"), ("own", b"x")), b"poison")])
    async with consuming(bus, database, topic, Recorder(preparing=poisoned)):
        await until(lambda: parked(database))
    async with running(Relay(database, bus, producer="test")):
        (letter,) = await until(lambda: everything(bus, f"{topic}.dead-letter"))
    said = parked_in(letter)
    assert (said.reason, said.service, said.place) == ("unknown_type", "test", (topic, 0, 0))
    assert opened(letter, OPERATOR) == OutgoingRecord(topic, "k", (("ce_id", b"7"), ("own", b"x")), b"poison")
    assert letter.key == f"{topic}/0"
    assert not any(part in letter.value for part in (b"poison", b"own"))  # sealed: nothing of it in clear
    with pytest.raises(SealError):
        opened(letter, Keys(public_half(DOCUMENT)))  # not even by the service that sealed it


async def test_a_record_that_always_fails_is_parked_after_five_tries(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    tries: list[int] = []

    async def broken(deliveries: Sequence[Delivery]) -> None:
        if any(delivery.value == b"broken" for delivery in deliveries):
            tries.append(len(deliveries))
            raise KeyError("a bug")

    await publish(bus, topic, "a", "broken", "b")
    async with consuming(bus, database, topic, Recorder(before=broken)):
        await until(lambda: _handled(database, ["a", "b"]))
    assert [reason for _, _, reason in await parked(database)] == ["unhandled"]
    assert tries.count(1) == 5


async def test_a_record_that_fails_only_sometimes_is_handled(bus: Bus, database: Database, make_topic: MakeTopic):
    topic = await make_topic()
    failures = 3

    async def flaky(deliveries: Sequence[Delivery]) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise KeyError

    await publish(bus, topic, "a")
    async with consuming(bus, database, topic, Recorder(before=flaky)):
        await until(lambda: _handled(database, ["a"]))
    assert await parked(database) == []


async def test_what_the_database_refuses_in_a_record_is_the_records_fault(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    """What a record makes its statement do does not get better by waiting (`libs.common.database.database.is_away`)."""
    topic = await make_topic()
    async with database.write() as session:
        await session.execute(text("INSERT INTO effect (id) VALUES ('taken')"))
    await publish(bus, topic, "taken", "b")
    async with consuming(bus, database, topic, Recorder()):
        await until(lambda: _handled(database, ["b", "taken"]))
    assert [(payload, reason) for _, payload, reason in await parked(database)] == [("taken", "unhandled")]


async def test_an_outage_never_parks_a_record(bus: Bus, database: Database, make_topic: MakeTopic):
    topic = await make_topic()
    refusals = 20  # more than the tries that a broken record gets, alone and in its batch

    async def unreachable(_: Sequence[Delivery]) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise ConnectionRefusedError

    await publish(bus, topic, "a")
    async with consuming(bus, database, topic, Recorder(preparing=unreachable)):
        await until(lambda: _handled(database, ["a"]))
    assert await parked(database) == []
