"""Persons' keys in memory: unwrapped once, forgotten when the database no longer has them."""

from collections.abc import Collection, Mapping
from uuid import UUID

from libs.common.database import Session, WriteSession
from services.audit import store_keys
from services.audit.domain.entry import Person
from services.audit.vault import PersonKey, Vault

KEYS_MAX = 50_000


class Keyring:
    """A process's unwrapped keys. Only what is committed is remembered: a key that was rolled back opens nothing."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self._keys: dict[Person, PersonKey] = {}

    def known(self, persons: Collection[Person]) -> dict[Person, PersonKey]:
        """Those of `persons` whose keys are at hand."""
        return {person: self._keys[person] for person in persons if person in self._keys}

    def remember(self, keys: Mapping[Person, PersonKey]) -> None:
        """Keep committed keys; the oldest go first."""
        self._keys.update(keys)
        while len(self._keys) > KEYS_MAX:
            del self._keys[next(iter(self._keys))]

    def forget(self) -> None:
        """After the database refused a key: somebody was erased."""
        self._keys.clear()

    async def refs(self, session: Session, persons: Collection[Person]) -> dict[Person, UUID]:
        """Under which references those of `persons` who have a key are kept; nothing is unwrapped."""
        lookups = {self.vault.lookup(person): person for person in persons}
        stored = await store_keys.find_keys(session, lookups)
        return {lookups[lookup]: key.ref for lookup, key in stored.items()}

    async def find(self, session: Session, persons: Collection[Person]) -> dict[Person, PersonKey]:
        """Those of `persons` who have a key. Raises SealError when one does not unwrap."""
        lookups = {self.vault.lookup(person): person for person in persons}
        stored = await store_keys.find_keys(session, lookups)
        return {lookups[lookup]: self.vault.unwrap(key.ref, key.wrapped_dek) for lookup, key in stored.items()}

    async def ensure(self, session: WriteSession, persons: Collection[Person]) -> dict[Person, PersonKey]:
        """The keys of `persons`, made where missing; whoever made one first, all use that one."""
        await store_keys.insert_keys(session, [self.vault.new_key(person) for person in persons])
        return await self.find(session, persons)
