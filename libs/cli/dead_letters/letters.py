"""What is parked, for the operator: which letters lie on the dead-letter topics, what is in one, and sending it again.

`docs/dead-letters.md` says what a letter is. A list shows what letters say in clear; only `opened_letter` and
`send_again` need the private half of the operator's key.
"""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from libs.common.bus.port import Bus, Delivery, OutgoingRecord
from libs.common.consuming.parking import Parked, opened, parked, sent_again
from libs.common.consuming.seal import Keys
from libs.common.wire.messages import DEAD_LETTER_SUFFIX

SHOWN_MAX: Final = 200  # letters in one list; the counts are of all


class NoSuchLetterError(Exception):
    """No letter lies there; the text says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter where it lies. `name` is how an operator calls it: `<partition>/<offset>` of its topic."""

    delivery: Delivery
    said: Parked

    @property
    def name(self) -> str:
        """`<partition>/<offset>`."""
        return f"{self.delivery.partition}/{self.delivery.offset}"


@dataclass(frozen=True, slots=True)
class Listing:
    """`letters`: the newest, at most SHOWN_MAX. `counts`: all, by (topic, service, reason)."""

    letters: tuple[Letter, ...]
    counts: Counter[tuple[str, str, str]]


async def listed(bus: Bus, topics: tuple[str, ...]) -> Listing:
    """The letters of these topics (their own names, without the suffix). Raises `BusUnavailableError`."""
    letters: list[Letter] = []
    counts: Counter[tuple[str, str, str]] = Counter()
    for topic in topics:
        async for letter in _letters(bus, topic):
            counts[topic, letter.said.service, letter.said.reason] += 1
            letters = sorted([*letters, letter], key=lambda one: one.said.first_parked)[-SHOWN_MAX:]
    return Listing(tuple(letters), counts)


async def opened_letter(bus: Bus, topic: str, name: str, keys: Keys) -> OutgoingRecord:
    """The record in a letter, byte for byte. Raises NoSuchLetterError, SealError, `BusUnavailableError`."""
    return opened((await _found(bus, topic, name)).delivery, keys)


async def send_again(bus: Bus, topic: str, name: str, keys: Keys) -> OutgoingRecord:
    """Put the record in a letter back on its topic, with the operator's statement. Raises as `opened_letter`."""
    letter = await _found(bus, topic, name)
    record = sent_again(opened(letter.delivery, keys), letter.said, keys)
    await bus.publish([record])
    return record


async def _found(bus: Bus, topic: str, name: str) -> Letter:
    async with aclosing(_letters(bus, topic)) as letters:
        async for letter in letters:
            if letter.name == name:
                return letter
    raise NoSuchLetterError(f"there is no letter {name} on {topic}{DEAD_LETTER_SUFFIX}")


async def _letters(bus: Bus, topic: str) -> AsyncGenerator[Letter]:
    async with aclosing(bus.history(topic + DEAD_LETTER_SUFFIX)) as deliveries:
        async for delivery in deliveries:
            with suppress(KeyError, ValueError):  # no letter of ours: nobody but our consumers may write here
                yield Letter(delivery, parked(delivery))
