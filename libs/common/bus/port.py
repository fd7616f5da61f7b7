"""The bus port: what both implementations (PostgreSQL and Kafka) promise, and nothing else.

Rules: a record is durable when `publish` returns; records of one key keep their order; delivery is at least once.
A consumer starts where *its database* says (`StartPositions`), on every assignment: what the bus remembers about a
group is for monitoring lag only. Both implementations pass one contract suite, tests/common/bus/test_contract.py.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import orjson

from libs.common.observing.log import get_logger
from libs.common.observing.metrics import RECORDS_LOST, label
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.running.settings import nearest
from libs.common.wire.values import read_yaml

# Names are UTF-8 in which a byte that is none stands as a lone surrogate (PEP 383), so that every name can be had back.
Headers = tuple[tuple[str, bytes | None], ...]
Place = tuple[str, int]  # topic, partition
StartPositions = Callable[[str, int], Awaitable[int]]  # (topic, partition) → the next offset to read

FETCH_MAX_RECORDS = 500
FETCH_TIMEOUT_S = 1.0
RECORD_BYTES_MAX = 1_000_000  # key, headers and value of a record that we publish; a topic's own limit may be lower


class BusUnavailableError(Exception):
    """The bus did not answer, or not in time. Whether a record was written is unknown; publish it again."""


class RecordsRefusedError(Exception):
    """The bus will never take some of the records as they are: publish the others again, for none counts as published.

    `refused`: place in the sequence → `too_large`, `unknown_topic` or `unsendable`.
    """

    def __init__(self, refused: Mapping[int, str]) -> None:
        super().__init__(", ".join(sorted(set(refused.values()))))
        self.refused = refused


class PoisonRecordError(Exception):
    """This record can never be handled. `reason` is a code, never text from the record."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotYetError(Exception):
    """This record cannot be handled yet, through no fault of its own; deliver it again later."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One record to publish; the partition follows from `key`. `null`: which of key and value is null, not empty."""

    topic: str
    key: str
    headers: Headers
    value: bytes
    null: frozenset[str] = frozenset()

    @property
    def key_bytes(self) -> bytes | None:
        """The key as it is on the bus."""
        return None if "key" in self.null else raw(self.key)

    @property
    def size(self) -> int:
        """Bytes of key, headers and value."""
        headers = sum(len(raw(name)) + len(value or b"") for name, value in self.headers)
        return len(raw(self.key)) + headers + len(self.value)


@dataclass(frozen=True, slots=True)
class Replay:
    """That an operator sent a parked record again: when it was first parked, and when it first lay on the bus (UTC)."""

    first_parked: datetime
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record as read. `offset` grows within a partition, with gaps allowed; `timestamp` is the bus's, UTC.

    `key` and header names hold any bytes, as in `Headers`. `null`: which of key and value was null and stands here as
    empty. `replay`: set by the consumer where an operator's signature says so.
    """

    topic: str
    partition: int
    offset: int
    key: str
    headers: Headers
    value: bytes
    timestamp: datetime
    null: frozenset[str] = frozenset()
    replay: Replay | None = None

    @property
    def arrived(self) -> datetime:
        """When the record first lay on the bus."""
        return self.replay.timestamp if self.replay else self.timestamp


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as declared in deploy/kafka/topics.yaml."""

    name: str
    partitions: int
    replication_factor: int = 1
    config: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What one principal may do on the bus, and nothing else. `groups`: the consumer groups that it may join."""

    principal: str
    writes: frozenset[str]
    reads: frozenset[str]
    groups: frozenset[str] = frozenset()


class BusConsumer(Protocol):
    """One member of a consumer group. Not for concurrent use."""

    async def start(self) -> None:
        """Join the group; partitions come with `fetch`. Raises `BusUnavailableError`."""
        ...

    async def stop(self) -> None:
        """Leave the group, so that the others take over at once."""
        ...

    async def fetch(
        self,
        max_records: int = FETCH_MAX_RECORDS,
        timeout_s: float = FETCH_TIMEOUT_S,
        skip: Collection[Place] = (),
    ) -> list[Delivery]:
        """Records of the partitions assigned now, except those in `skip`; empty after `timeout_s` without any.

        One call may hold several partitions; each is in order. Raises `BusUnavailableError`.
        """
        ...

    def rewind(self, topic: str, partition: int, offset: int) -> None:
        """Read this partition from `offset` next. Does nothing when it is no longer assigned."""
        ...

    async def report(self, positions: Mapping[Place, int]) -> None:
        """Tell the bus how far the group has come, for lag monitoring. May fail silently; decides nothing."""
        ...


class Bus(Protocol):
    """A connection to the bus, shared by a process's relay and consumers."""

    async def start(self) -> None:
        """Check what must hold before use. Raises `BusUnavailableError`."""
        ...

    async def stop(self) -> None:
        """Let go of every connection."""
        ...

    async def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """For the bus's owner: create the topics that are missing; leave the others as they are."""
        ...

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Returns when every record is durable.

        Raises `BusUnavailableError`: publish all of them again; `RecordsRefusedError`: all but those named in it.
        """
        ...

    def history(self, topic: str) -> AsyncGenerator[Delivery]:
        """Every record that lies on `topic` now, for an operator to look at. Raises `BusUnavailableError`."""
        ...

    def consumer(self, group: str, topics: Sequence[str], start: StartPositions) -> BusConsumer:
        """A new member of `group`. `start` is asked on every assignment, and again whenever it fails."""
        ...


def readable_from(place: Place, position: int, *, first: int, end: int) -> int:
    """Where reading can go on: at `position`, or at `first`, the oldest record, when `position` has fallen off.

    Never silently: what the bus no longer has, or has lost itself (`position` beyond its `end`), is an alarm.
    """
    if first <= position <= end:
        return position
    topic, partition = place
    lost = first - position if position < first else position - end
    RECORDS_LOST.labels(label(topic)).inc(lost)
    raise_alarm_later(AlarmCode.RECORDS_LOST, about=f"{topic}/{partition}")
    get_logger().error("records_lost", topic=topic, partition=partition, offset=position, first=first, last=end)
    return first


def raw(text: str) -> bytes:
    """The bytes of a key or a header's name (PEP 383). Raises `UnicodeEncodeError` for what was never read as such."""
    return text.encode("utf-8", "surrogateescape")


def readable(octets: bytes) -> str:
    """Any bytes as text from which `raw` makes the same bytes."""
    return octets.decode("utf-8", "surrogateescape")


def pack_headers(headers: Headers) -> bytes:
    """JSON in which each byte is one character: exact for any bytes, readable for text."""
    pairs = [
        (raw(name).decode("latin-1"), None if value is None else value.decode("latin-1")) for name, value in headers
    ]
    return orjson.dumps(pairs)


def unpack_headers(packed: bytes) -> Headers:
    """The reverse of `pack_headers`."""
    return tuple(
        (readable(name.encode("latin-1")), None if value is None else value.encode("latin-1"))
        for name, value in orjson.loads(packed)
    )


def load_topics(path: Path) -> tuple[Topic, ...]:
    """The topics declared in a topics.yaml. Raises `ValueError` or `KeyError` when it is malformed."""
    document = read_yaml(path)
    _require_keys(document, ("topics",), path.name)
    for entry in document["topics"]:
        _require_keys(entry, ("name", "partitions", "replication_factor", "config"), path.name)
    return tuple(
        Topic(
            name=entry["name"],
            partitions=int(entry["partitions"]),
            replication_factor=int(entry.get("replication_factor", 1)),
            config={key: str(value) for key, value in entry.get("config", {}).items()},
        )
        for entry in document["topics"]
    )


def _require_keys(mapping: Mapping[str, object], known: Sequence[str], file: str) -> None:
    for key in mapping:
        if key not in known:
            raise ValueError(f"{file}: {key} is no field{nearest(str(key), known)}")
