"""Records that nobody can ever handle: of every shape that bytes can have, on every topic, a few at a time.

What must come of each, whatever else goes on: every service that reads its topic parks it once, and goes on behind it.
A service whose position was set back meanwhile reads it again, and may park it once more each time.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from libs.common.wire.messages import AUDIT_ENTRIES, CONSENT_EVENTS
from libs.common.wire.sources import case_topics, load_sources
from tests.tree import REFERENCE

Place = tuple[str, int, int]  # topic, partition, offset
Parked = tuple[str, Place]  # by whom, and what
Header = tuple[str, bytes | None]
Shape = tuple[bytes | None, bytes | None, list[Header]]  # key, value, headers

CASES = case_topics(load_sources(REFERENCE))
CONSUMED = {"consent": CASES, "advis": (*CASES, CONSENT_EVENTS), "audit": (AUDIT_ENTRIES,)}
TOPICS = (*CASES, CONSENT_EVENTS, AUDIT_ENTRIES)
AT_A_TIME = 2  # records for each topic
HUGE = 250_000  # bytes: under what the broker takes
MOMENTS = (b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59.999999Z", b"2016-12-31T23:59:60Z", b"2026-02-30T00:00:00Z")
_PERSON = b"6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def _event(**changes: bytes | None) -> list[Header]:
    """A death, from somebody who may not report it."""
    said: dict[str, bytes | None] = {
        "specversion": b"1.0",
        "id": b"poison",
        "source": b"urn:poison",
        "type": b"cpr.doedsfald",
        "subject": _PERSON,
        "time": b"2026-11-28T12:00:00Z",
    }
    headers: list[Header] = [(f"ce_{name}", value) for name, value in (said | changes).items()]
    return [*headers, ("content-type", b"application/json")]


def shapes() -> Mapping[str, Shape]:
    """Every one of them, by what is wrong with it."""
    body = b'{"unit": "CPR"}'
    return {
        "no headers": (b"k", b"this is no event", []),
        "nothing but NUL": (b"\x00", b"\x00" * 64, [("\x00", b"\x00")]),
        "NUL in a header": (_PERSON, body, _event(id=b"a\x00b")),
        "null header": (_PERSON, body, _event(source=None)),
        "null value": (_PERSON, None, _event()),
        "null key": (None, body, _event()),
        "no UTF-8 in the key": (b"\xff\xfe\xed\xa0\x80", body, _event()),
        "no UTF-8 in a header": (_PERSON, body, _event(subject=b"\xff\xfe")),
        "header given twice": (_PERSON, body, [*_event(), ("ce_id", b"another")]),
        "header without an end": (_PERSON, body, _event(source=b"x" * HUGE)),
        "huge value": (_PERSON, b"x" * HUGE, _event()),
        "JSON without an end": (_PERSON, b"[" * 100_000, _event()),
        "numbers beyond any": (_PERSON, b'{"unit": NaN, "n": 1e999999, "m": ' + b"9" * 5_000 + b"}", _event()),
        "another content type": (_PERSON, b"<html>", [*_event()[:-1], ("content-type", b"text/html; charset=\xff")]),
        "forged replay": (_PERSON, body, [*_event(), ("dl_replay", b"e30.e30.AAAA")]),
        **{f"moment {moment.decode()}": (_PERSON, body, _event(time=moment)) for moment in MOMENTS},
    }


def drawn(rng: random.Random) -> list[tuple[str, Shape]]:
    """A few for each topic."""
    every = list(shapes().values())
    return [(topic, spoken_on(topic, shape)) for topic in TOPICS for shape in rng.sample(every, AT_A_TIME)]


def spoken_on(topic: str, shape: Shape) -> Shape:
    """With a type that is heard there: what a reader does not know, it passes over."""
    key, value, headers = shape
    heard = b"consent.withdrawn" if topic == CONSENT_EVENTS else b"cpr.doedsfald"
    return key, value, [(name, heard if name == "ce_type" else text) for name, text in headers]


def letters(records: Iterable[Any]) -> Counter[Parked]:
    """How often each record was parked, and by whom. A relay that repeats itself repeats every byte: that is once."""
    found: defaultdict[Parked, set[tuple[Any, ...]]] = defaultdict(set)
    for record in records:
        said = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
        try:
            place = said["dl_topic"], int(said["dl_partition"]), int(said["dl_offset"])
            found[said["dl_service"], place].add((*record.headers, record.value))
        except (KeyError, ValueError):
            continue
    return Counter({parked: len(distinct) for parked, distinct in found.items()})


def readers_of(topic: str) -> Sequence[str]:
    """The services that read it."""
    return [service for service, topics in CONSUMED.items() if topic in topics]


def misparked(sent: Iterable[Place], found: Mapping[Parked, int], set_back: Mapping[str, int]) -> list[str]:
    """The poison records that a service did not park, or parked more often than it read them.

    `set_back`: by service, how often its position on the bus went back.
    """
    wanted = [(service, place) for place in sent for service in readers_of(place[0])]
    return [
        f"{'/'.join(map(str, place))}: parked {times} times by {service}"
        for service, place in wanted
        if not 1 <= (times := found.get((service, place), 0)) <= 1 + set_back.get(service, 0)
    ]
