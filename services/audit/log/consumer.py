"""The message door: `audit.entries` in, leaves out. Parsing, committing and sealing happen before the transaction."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

import asyncpg

from libs.common.bus.port import Delivery, NotYetError
from libs.common.consuming.parking import Parking
from libs.common.database.database import Database, WriteSession, clock
from libs.common.observing.log import get_logger
from libs.common.wire.messages import seconds
from services.audit.keys.keyring import Keyring
from services.audit.keys.vault import PersonKey
from services.audit.leaves.entry import Person
from services.audit.log.append import Candidate, append_entries
from services.audit.log.incoming import Incoming, read
from services.audit.log.maker import LeafMaker, persons_of
from services.audit.log.reuse import identity_of, park_reused

GROUP = "audit"
Item = TypeVar("Item")
# Leaves made before the event loop gets a turn, by one batch at a time: a transaction of another batch that waits for
# this process meanwhile loses its session after 500 ms (libs.common.database.database).
SLICE = 25


@dataclass(frozen=True, slots=True)
class Prepared:
    """Leaves ready to be appended, all recorded at `now`."""

    candidates: tuple[Candidate, ...]
    now: datetime


class EntryHandler:
    """Handler of `audit.entries` (libs.common.consuming.consumer.Handler)."""

    def __init__(self, database: Database, maker: LeafMaker, keyring: Keyring, parking: Parking) -> None:
        self._database = database
        self._parking = parking
        self._maker = maker
        self._keyring = keyring
        self._turn = asyncio.Lock()

    def alone(self, _delivery: Delivery) -> bool:
        """Never: what is locked here is the log's own."""
        return False

    async def prepare(self, deliveries: Sequence[Delivery]) -> Prepared:
        """Make the leaves. Raises PoisonRecordError for a record without a number."""
        incoming: list[Incoming] = []
        async with self._turn:
            for part in _sliced(deliveries):
                incoming += map(read, part)
                await asyncio.sleep(0)
        keys = await self._keys({person for one in incoming for person in persons_of(one.act)})
        async with self._database.read() as session:
            now = await clock(session)
        candidates: list[Candidate] = []
        async with self._turn:
            for pairs in _sliced(list(zip(incoming, deliveries, strict=True))):
                candidates += [self._candidate(one, delivery, keys, now) for one, delivery in pairs]
                await asyncio.sleep(0)
        return Prepared(tuple(candidates), now)

    def _candidate(
        self, one: Incoming, delivery: Delivery, keys: Mapping[Person, PersonKey], now: datetime
    ) -> Candidate:
        leaf = self._maker.make(one.act, recorded_at=seconds(now), keys=keys, numbered=one.numbered, place=one.place)
        parked = self._parking.letter(delivery, one.rejected, now) if one.rejected else None
        return Candidate(leaf, identity_of(one.act.private), parked)

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: Prepared) -> None:
        """Append them. Raises NotYetError when a person was erased meanwhile: the next try makes new keys."""
        try:
            again = await append_entries(session, prepared.candidates, maker=self._maker, now=prepared.now)
        except asyncpg.ForeignKeyViolationError:
            self._keyring.forget()
            raise NotYetError from None
        if again:
            repeated = [(prepared.candidates[at], deliveries[at]) for at in again]
            letter = partial(self._parking.letter, reason="number_reused", now=prepared.now)
            reused = await park_reused(session, repeated, self._keyring.vault, letter)
            get_logger().info("entries_seen_before", count=len(again) - reused)
            if reused:
                get_logger().error("number_reused", count=reused)

    async def _keys(self, persons: set[Person]) -> dict[Person, PersonKey]:
        keys = self._keyring.known(persons)
        if missing := persons - keys.keys():
            async with self._database.read() as session:
                found = await self._keyring.find(session, missing)
            if strangers := missing - found.keys():
                async with self._database.write() as session:
                    found |= await self._keyring.ensure(session, strangers)
            self._keyring.remember(found)
            keys |= found
        return keys


def _sliced(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))
