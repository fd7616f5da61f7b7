"""An unwrapped key is gone from memory soon after its person was erased, whether or not anything is done meanwhile."""

from uuid import uuid4

import pytest

from libs.common.database.database import Database
from services.audit.keys.keyring import Keyring
from services.audit.keys.vault import Vault
from services.audit.leaves.entry import Person
from tests.waiting import until


async def test_a_key_leaves_memory_when_its_time_is_over_though_nothing_else_happens(
    database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.audit.keys.keyring.KEYS_KEPT_S", 0.2)
    keyring, people = Keyring(vault), [Person("subject", str(uuid4())) for _ in range(3)]
    for person in people:
        async with database.write() as session:
            keyring.remember(await keyring.ensure(session, [person]))
    assert keyring.known(people).keys() == set(people)

    async def gone() -> bool:
        return not keyring._keys

    await until(gone)
    assert keyring.known(people) == {}


async def test_the_time_of_a_key_begins_anew_when_it_is_unwrapped_anew(
    database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring, (first, second) = Keyring(vault), [Person("subject", str(uuid4())) for _ in range(2)]
    async with database.write() as session:
        keys = await keyring.ensure(session, [first, second])
    keyring.remember({first: keys[first]})
    keyring.remember({second: keys[second]})
    keyring.remember({first: keys[first]})
    monkeypatch.setattr("services.audit.keys.keyring.KEYS_MAX", 1)
    keyring.remember({})
    assert keyring.known([first, second]).keys() == {first}  # the one unwrapped longest ago is gone
