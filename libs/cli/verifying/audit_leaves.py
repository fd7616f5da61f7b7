"""What a log's leaves must be, each for itself and all together: canonical form, and numbers without a hole.

Rules (services/audit/README.md, "The leaf", "Numbers and gaps"):
- A leaf is canonical JSON in a restricted profile: sorted members, no whitespace, ASCII member names, strings in NFC,
  integers up to 2^53-1 and no floats. Inside that profile sorted orjson is RFC 8785.
- Per (producer, generation, lane) the numbers are 1…n, each once. What is missing is a gap, whether or not the log
  owns up to it with a `gap.opened` leaf that no `gap.closed` leaf answers.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

LEAF_BYTES_MAX = 16_384
_INTEGER_MAX = 2**53 - 1
_MEMBERS = frozenset(
    (
        *("v", "log", "id", "tenant", "schema", "type", "action", "outcome", "actor_role", "purposes", "legal_basis"),
        *("notice_sha256", "retention_class", "occurred_at", "recorded_at", "producer", "generation", "lane", "number"),
        *("src", "gap", "sd"),
    )
)

Lane = tuple[str, int, int]  # producer, generation, lane


class LeafError(Exception):
    """A leaf is not what a leaf must be; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers `first`…`last` of a lane that no leaf has. `reported`: the log itself says so."""

    producer: str
    generation: int
    lane: int
    first: int
    last: int
    reported: bool


def parse_leaf(raw: bytes, log: str) -> Mapping[str, Any]:
    """The members of one leaf of the log named `log`. Raises LeafError."""
    if len(raw) > LEAF_BYTES_MAX:
        raise LeafError(f"it is larger than {LEAF_BYTES_MAX} bytes")
    try:
        leaf = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise LeafError("it is not JSON") from error
    if not isinstance(leaf, dict) or orjson.dumps(leaf, option=orjson.OPT_SORT_KEYS) != raw:
        raise LeafError("it is not a JSON object in canonical form")
    if not _in_profile(leaf) or not (raw.isascii() or unicodedata.is_normalized("NFC", raw.decode())):
        raise LeafError("it holds a number, a member name or a string outside the canonical profile")
    if set(leaf) != _MEMBERS or leaf["v"] != 1 or leaf["log"] != log:
        raise LeafError("its members, its version or the log it names is not that of a leaf of this log")
    return leaf


def _in_profile(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(name.isascii() and _in_profile(item) for name, item in value.items())
    if kind is list:
        return all(map(_in_profile, value))
    return kind is not float and (kind is not int or -_INTEGER_MAX <= value <= _INTEGER_MAX)


@dataclass(slots=True)
class _Numbers:
    """The numbers seen of one lane: all up to `whole`, and those `ahead` of a hole."""

    whole: int = 0
    ahead: set[int] = field(default_factory=set)

    def add(self, number: int) -> bool:
        """Whether the number is new."""
        if number <= self.whole or number in self.ahead:
            return False
        self.ahead.add(number)
        while self.whole + 1 in self.ahead:
            self.whole += 1
            self.ahead.remove(self.whole)
        return True

    def holes(self) -> Iterator[tuple[int, int]]:
        """Each run of missing numbers, first and last."""
        expected = self.whole + 1
        for number in sorted(self.ahead):
            if number > expected:
                yield expected, number - 1
            expected = number + 1


class Lanes:
    """The numbers of every lane, leaf by leaf."""

    def __init__(self) -> None:
        self._lanes: defaultdict[Lane, _Numbers] = defaultdict(_Numbers)
        self._reported: set[tuple[Lane, int, int]] = set()

    def __len__(self) -> int:
        return len(self._lanes)

    def add(self, leaf: Mapping[str, Any]) -> None:
        """Takes in one leaf. Raises LeafError when its number is no number, or was there before."""
        if leaf["gap"] is not None:
            self._own_up(leaf)
        if leaf["number"] is None:
            return
        lane, number = _lane(leaf), leaf["number"]
        if type(number) is not int or number < 1 or not self._lanes[lane].add(number):
            raise LeafError(f"its number {number} in {'/'.join(map(str, lane))} was there before, or is none")

    def gaps(self) -> tuple[Gap, ...]:
        """Every hole, in order of lane and number."""
        return tuple(
            Gap(*lane, first, last, reported=self._is_reported(lane, first, last))
            for lane, numbers in sorted(self._lanes.items())
            for first, last in numbers.holes()
        )

    def _own_up(self, leaf: Mapping[str, Any]) -> None:
        gap = leaf["gap"]
        try:
            said = (_lane(gap), int(gap["first"]), int(gap["last"]))
        except (TypeError, KeyError, ValueError) as error:
            raise LeafError("the gap that it reports is malformed") from error
        if leaf["type"] == "gap.opened":
            self._reported.add(said)
        else:
            self._reported.discard(said)

    def _is_reported(self, lane: Lane, first: int, last: int) -> bool:
        return any(lane == where and start <= first and last <= end for where, start, end in self._reported)


def _lane(source: Mapping[str, Any]) -> Lane:
    producer, generation, lane = source["producer"], source["generation"], source["lane"]
    if type(producer) is not str or type(generation) is not int or type(lane) is not int:
        raise LeafError("it does not say who numbered it")
    return producer, generation, lane
