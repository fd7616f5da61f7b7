"""Persons' keys in memory: unwrapped once, forgotten KEYS_KEPT_S later, so that an erased person's are soon gone."""

import asyncio
from collections.abc import Collection, Mapping
from uuid import UUID

from libs.common.database.database import Session, WriteSession
from services.audit.keys import store as keys_store
from services.audit.keys.vault import PersonKey, Vault
from services.audit.leaves.entry import Person

KEYS_MAX = 50_000
KEYS_KEPT_S = 60.0  # after this the database is asked again, which knows who was erased


class Keyring:
    """A process's unwrapped keys. Only what is committed is remembered: a key that was rolled back opens nothing."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self._keys: dict[Person, tuple[float, PersonKey]] = {}  # the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def known(self, persons: Collection[Person]) -> dict[Person, PersonKey]:
        """Those of `persons` whose keys are at hand."""
        self._expire()
        return {person: self._keys[person][1] for person in persons if person in self._keys}

    def remember(self, keys: Mapping[Person, PersonKey]) -> None:
        """Keep committed keys; the oldest go first."""
        until = asyncio.get_running_loop().time() + KEYS_KEPT_S
        for person, key in keys.items():
            self._keys.pop(person, None)  # so that it stands last: the order is that of time
            self._keys[person] = (until, key)
        while len(self._keys) > KEYS_MAX:
            del self._keys[next(iter(self._keys))]
        self._expire()

    def _expire(self) -> None:
        """Drop the keys whose time is over, now and, by a timer, when that of the others is."""
        loop = asyncio.get_running_loop()
        while self._keys and (oldest := next(iter(self._keys.items())))[1][0] <= loop.time():
            del self._keys[oldest[0]]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(next(iter(self._keys.values()))[0], self._expire) if self._keys else None

    def forget(self) -> None:
        """After the database refused a key: somebody was erased."""
        self._keys.clear()

    async def refs(self, session: Session, persons: Collection[Person]) -> dict[Person, UUID]:
        """Under which references those of `persons` who have a key are kept; nothing is unwrapped."""
        lookups = {self.vault.lookup(person): person for person in persons}
        stored = await keys_store.find_keys(session, lookups)
        return {lookups[lookup]: key.ref for lookup, key in stored.items()}

    async def find(self, session: Session, persons: Collection[Person]) -> dict[Person, PersonKey]:
        """Those of `persons` who have a key. Raises SealError when one does not unwrap."""
        lookups = {self.vault.lookup(person): person for person in persons}
        stored = await keys_store.find_keys(session, lookups)
        return {lookups[lookup]: self.vault.unwrap(key.ref, key.wrapped_dek) for lookup, key in stored.items()}

    async def ensure(self, session: WriteSession, persons: Collection[Person]) -> dict[Person, PersonKey]:
        """The keys of `persons`, made where missing; whoever made one first, all use that one."""
        await keys_store.insert_keys(session, [self.vault.new_key(person) for person in persons])
        return await self.find(session, persons)
