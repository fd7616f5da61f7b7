"""The operator looks at what is parked, opens it and sends it again, on both buses."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.cli.dead_letters.letters import NoSuchLetterError, listed, opened_letter, send_again
from libs.common.bus.port import Bus, OutgoingRecord
from libs.common.consuming.parking import REPLAY_HEADER
from libs.common.consuming.seal import Keys, SealError, public_half
from tests import operator
from tests.operator import OPERATOR, as_delivered, parking

HOUR = timedelta(hours=1)
RECORD = (("ce_note", b"a\x00b"), ("ce_null", None))


async def test_the_operator_lists_opens_and_sends_again(bus: Bus, make_topic) -> None:
    topic = await make_topic()
    whole = OutgoingRecord(topic, "k", RECORD, b"\xff\xfe")
    parked_at = datetime.now(UTC) - HOUR
    letters = [parking().letter(as_delivered(whole, 7), reason, parked_at) for reason in ("bad_id", "bad_time")]
    letters.append(parking().stub(as_delivered(whole, 8), "bad_id", parked_at + HOUR))
    stranger = OutgoingRecord(f"{topic}.dead-letter", "k", (("x", b"y"),), b"no letter of ours")
    await bus.publish([*letters, stranger])

    listing = await listed(bus, (topic,))
    assert listing.counts == {(topic, "test", "bad_id"): 2, (topic, "test", "bad_time"): 1}
    assert [one.said.place for one in listing.letters] == [(topic, 0, 7), (topic, 0, 7), (topic, 0, 8)]
    first, *_, stub = listing.letters

    record = await opened_letter(bus, topic, first.name, OPERATOR)
    assert (record.topic, record.key, record.headers, record.value) == (topic, "k", RECORD, b"\xff\xfe")
    await send_again(bus, topic, first.name, OPERATOR)
    (again,) = [delivery async for delivery in bus.history(topic)]
    assert (again.headers[:2], again.value) == (RECORD, b"\xff\xfe")
    assert again.headers[2][0] == REPLAY_HEADER
    admitted = parking().admitted(again)
    assert admitted.replay is not None
    assert admitted.replay.first_parked == parked_at

    with pytest.raises(SealError, match="too large"):
        await opened_letter(bus, topic, stub.name, OPERATOR)
    with pytest.raises(NoSuchLetterError):
        await send_again(bus, topic, "0/999", OPERATOR)


async def test_without_the_private_half_nothing_is_opened_and_nothing_sent(bus: Bus, make_topic) -> None:
    topic = await make_topic()
    whole = OutgoingRecord(topic, "k", RECORD, b"secret")
    await bus.publish([parking().letter(as_delivered(whole), "bad_id", datetime.now(UTC))])
    services = Keys(public_half(operator.DOCUMENT))
    (letter,) = (await listed(bus, (topic,))).letters
    for act in (opened_letter, send_again):
        with pytest.raises(SealError, match="private half"):
            await act(bus, topic, letter.name, services)
    assert not [delivery async for delivery in bus.history(topic)]
