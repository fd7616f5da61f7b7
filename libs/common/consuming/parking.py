"""Parking: what cannot be handled is left to the operator, whole and sealed, and the partition goes on.

1. A dead letter is one record on `<topic>.dead-letter`. Its headers (`dl_*`) say in clear where the record lay, when
   and why it was parked, in codes and numbers of ours; its value is the record's own bytes (key, headers, value, and
   which of them are null), sealed to the operator's key with those headers as context.
2. Nothing of the record stands outside the seal, so no byte of it can make parking fail. What is too large to be
   carried is parked as a stub: the same headers, no bytes.
3. A record that an operator sends again carries a statement signed by the operator: when it was first parked, when it
   first lay on the bus, and the digest of its bytes. Nobody else can say so (`docs/dead-letters.md`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import orjson

from libs.common.bus.port import (
    Delivery,
    Headers,
    OutgoingRecord,
    PoisonRecordError,
    Replay,
    pack_headers,
    raw,
    readable,
    unpack_headers,
)
from libs.common.consuming.seal import Keys, SealError
from libs.common.observing.metrics import RECORDS_PARKED, label
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.wire.messages import DEAD_LETTER_SUFFIX

REPLAY_HEADER: Final = "dl_replay"
SEALED: Final = "sealed"
STUB: Final = "stub"
SEALED_BYTES_MAX: Final = 480 * 1024  # under `max.message.bytes` of the dead-letter topics (deploy/kafka/topics.yaml)
_PREFIX: Final = "dl_"
_LENGTH: Final = 4  # bytes


@dataclass(frozen=True, slots=True)
class Parked:
    """What a dead letter says in clear. `place`: topic, partition, offset. Times are aware, UTC; `size` in bytes."""

    reason: str
    service: str
    place: tuple[str, int, int]
    timestamp: datetime
    first_parked: datetime
    size: int
    form: str
    key_id: str

    def headers(self) -> Headers:
        """As record headers."""
        return tuple((_PREFIX + name, value.encode()) for name, value in self._facts().items())

    def context(self) -> bytes:
        """What the seal is bound to."""
        return b"samtykkebro dead letter 1 " + orjson.dumps(self._facts(), option=orjson.OPT_SORT_KEYS)

    def _facts(self) -> dict[str, str]:
        topic, partition, offset = self.place
        return {
            "reason": self.reason,
            "service": self.service,
            "topic": topic,
            "partition": str(partition),
            "offset": str(offset),
            "timestamp": self.timestamp.astimezone(UTC).isoformat(),
            "first_parked": self.first_parked.astimezone(UTC).isoformat(),
            "size": str(self.size),
            "form": self.form,
            "key_id": self.key_id,
        }


class Parking:
    """One service's way to the operator. `keys`: the operator's public keys."""

    def __init__(self, keys: Keys, service: str) -> None:
        self._keys = keys
        self.service = service

    def letter(self, delivery: Delivery, reason: str, now: datetime) -> OutgoingRecord:
        """The dead letter for `delivery`: sealed, or a stub when it is too large. Never raises for its content."""
        content = _content(delivery)
        if len(content) > SEALED_BYTES_MAX:
            return self.stub(delivery, reason, now)
        said = self._said(delivery, reason, now, SEALED)
        return _record(said, self._keys.seal(content, said.context()))

    def stub(self, delivery: Delivery, reason: str, now: datetime) -> OutgoingRecord:
        """The dead letter without the record's bytes: its place and the reason."""
        return _record(self._said(delivery, reason, now, STUB), b"")

    def admitted(self, delivery: Delivery) -> Delivery:
        """`delivery` without an operator's statement, which is checked and stands in `replay` then.

        Raises PoisonRecordError("forged_replay") for a statement that is not the operator's, or about another record.
        """
        said = [value for name, value in delivery.headers if name == REPLAY_HEADER]
        if not said:
            return delivery
        headers = tuple(header for header in delivery.headers if header[0] != REPLAY_HEADER)
        own = replace(delivery, headers=headers)
        try:
            statement = self._keys.verify((said[0] or b"").decode("ascii"))
            if len(said) > 1 or statement["record"] != _digest(own.topic, _content(own)):
                raise SealError("about another record")
            times = (datetime.fromisoformat(statement[name]) for name in ("first_parked", "timestamp"))
            return replace(own, replay=Replay(*times))
        except (SealError, ValueError, KeyError) as error:
            raise PoisonRecordError("forged_replay") from error

    def _said(self, delivery: Delivery, reason: str, now: datetime, form: str) -> Parked:
        return Parked(
            reason=reason,
            service=self.service,
            place=(delivery.topic, delivery.partition, delivery.offset),
            timestamp=delivery.arrived,
            first_parked=delivery.replay.first_parked if delivery.replay else now,
            size=len(delivery.key) + len(delivery.value),
            form=form,
            key_id=self._keys.key_id,
        )


def noted(letter: OutgoingRecord) -> None:
    """Count a letter that goes to the operator, and raise the alarm."""
    said = dict(letter.headers)
    topic, reason = ((said[_PREFIX + name] or b"").decode() for name in ("topic", "reason"))
    RECORDS_PARKED.labels(label(topic), label(reason)).inc()
    raise_alarm_later(AlarmCode.RECORD_PARKED, about=f"{topic}:{reason}")


def parked(letter: Delivery) -> Parked:
    """What a dead letter says. Raises `ValueError` or `KeyError` for a record that is none."""
    facts = {
        name[len(_PREFIX) :]: (value or b"").decode() for name, value in letter.headers if name.startswith(_PREFIX)
    }
    return Parked(
        reason=facts["reason"],
        service=facts["service"],
        place=(facts["topic"], int(facts["partition"]), int(facts["offset"])),
        timestamp=datetime.fromisoformat(facts["timestamp"]),
        first_parked=datetime.fromisoformat(facts["first_parked"]),
        size=int(facts["size"]),
        form=facts["form"] if letter.value else STUB,  # what the broker found too large was left out by the relay
        key_id=facts["key_id"],
    )


def opened(letter: Delivery, keys: Keys) -> OutgoingRecord:
    """The record in a sealed letter, byte for byte as it was. Raises `SealError` for a stub or without the key."""
    said = parked(letter)
    if said.form != SEALED:
        raise SealError("its bytes were too large to be kept: they lie on the bus for as long as records are kept")
    content = keys.open(letter.value, said.context(), said.key_id)
    return unframed(said.place[0], content)


def sent_again(record: OutgoingRecord, said: Parked, keys: Keys) -> OutgoingRecord:
    """`record` with the operator's statement about it. Raises `SealError` without the private half of the key."""
    content = framed(record.key, record.headers, record.value, record.null)
    statement = {
        "first_parked": said.first_parked.isoformat(),
        "timestamp": said.timestamp.isoformat(),
        "record": _digest(record.topic, content),
    }
    return replace(record, headers=(*record.headers, (REPLAY_HEADER, keys.sign(statement).encode())))


def framed(key: str, headers: Headers, value: bytes, null: frozenset[str]) -> bytes:
    """A record's bytes as one: the length of the head, the head (JSON, each byte a character), the value."""
    head: Mapping[str, object] = {
        "key": raw(key).decode("latin-1"),
        "headers": orjson.Fragment(pack_headers(headers)),
        "null": sorted(null),
    }
    packed = orjson.dumps(head)
    return len(packed).to_bytes(_LENGTH) + packed + value


def unframed(topic: str, content: bytes) -> OutgoingRecord:
    """The reverse of `framed`."""
    end = _LENGTH + int.from_bytes(content[:_LENGTH])
    head = orjson.loads(content[_LENGTH:end])
    headers = unpack_headers(orjson.dumps(head["headers"]))
    key = readable(head["key"].encode("latin-1"))
    return OutgoingRecord(topic, key, headers, content[end:], frozenset(head["null"]))


def _content(delivery: Delivery) -> bytes:
    return framed(delivery.key, delivery.headers, delivery.value, delivery.null)


def _digest(topic: str, content: bytes) -> str:
    return hashlib.sha256(topic.encode() + b"\x00" + content).hexdigest()


def _record(said: Parked, value: bytes) -> OutgoingRecord:
    topic, partition, _ = said.place
    return OutgoingRecord(topic + DEAD_LETTER_SUFFIX, f"{topic}/{partition}", said.headers(), value)
