"""The message door: `audit.entries` in, leaves out. Parsing, committing and sealing happen before the transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.common.bus import Delivery, NotYetError, OutgoingRecord
from libs.common.database import Database, WriteSession, clock
from libs.common.log import get_logger
from libs.common.messages import DEAD_LETTER_SUFFIX, seconds
from services.audit.domain.entry import Person
from services.audit.handlers import Candidate, append_entries
from services.audit.incoming import Incoming, read
from services.audit.keyring import Keyring
from services.audit.leaves import LeafMaker, persons_of
from services.audit.vault import PersonKey

GROUP = "audit"
SLICE = 50  # leaves made before the event loop gets a turn: a transaction elsewhere in it may idle for 500 ms at most


@dataclass(frozen=True, slots=True)
class Prepared:
    """Leaves ready to be appended, all recorded at `now`."""

    candidates: tuple[Candidate, ...]
    now: datetime


class EntryHandler:
    """Handler of `audit.entries` (libs.common.consumer.Handler)."""

    def __init__(self, database: Database, maker: LeafMaker, keyring: Keyring) -> None:
        self._database = database
        self._maker = maker
        self._keyring = keyring

    async def prepare(self, deliveries: Sequence[Delivery]) -> Prepared:
        """Make the leaves. Raises PoisonRecordError for a record without a number."""
        incoming = [read(delivery) for delivery in deliveries]
        keys = await self._keys({person for one in incoming for person in persons_of(one.act)})
        async with self._database.read() as session:
            now = await clock(session)
        recorded_at = seconds(now)
        candidates: list[Candidate] = []
        for at, (one, delivery) in enumerate(zip(incoming, deliveries, strict=True), start=1):
            leaf = self._maker.make(one.act, recorded_at=recorded_at, keys=keys, numbered=one.numbered, place=one.place)
            candidates.append(Candidate(leaf, _parked(one, delivery)))
            if at % SLICE == 0:
                await asyncio.sleep(0)
        return Prepared(tuple(candidates), now)

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: Prepared) -> None:
        """Append them. Raises NotYetError when a person was erased meanwhile: the next try makes new keys."""
        try:
            appended = await append_entries(session, prepared.candidates, maker=self._maker, now=prepared.now)
        except asyncpg.ForeignKeyViolationError:
            self._keyring.forget()
            raise NotYetError from None
        if appended < len(deliveries):
            get_logger().info("entries_seen_before", count=len(deliveries) - appended)

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


def _parked(one: Incoming, delivery: Delivery) -> OutgoingRecord | None:
    """A rejected record as it came, for the operator; its leaf holds the digest."""
    if one.rejected is None:
        return None
    facts = (("dl_reason", one.rejected.encode()), ("dl_service", b"audit"))
    return OutgoingRecord(
        delivery.topic + DEAD_LETTER_SUFFIX, delivery.key, (*delivery.headers, *facts), delivery.value
    )
