"""Slots shared among the living members of a group (relays and lanes, consumers and partitions)."""

from libs.common.database.database import Database
from libs.common.database.shares import Shares
from tests.waiting import until


async def test_shares_are_fair_disjoint_and_complete_as_members_come_and_go(database: Database):
    sessions = [await database.connect_alone("member") for _ in range(3)]
    members = [Shares(session, "group", 10) for session in sessions]

    async def settle(count: int) -> list[frozenset[int]]:
        for _ in range(3):
            for member in members[:count]:
                await member.balance()
        return [member.owned for member in members[:count]]

    assert [len(owned) for owned in await settle(1)] == [10]
    owned = await settle(3)
    assert sorted(slot for slots in owned for slot in slots) == list(range(10))
    assert max(map(len, owned)) == 4
    sessions[2].terminate()
    await until(lambda: _complete(settle))
    for session in sessions[:2]:
        await session.close()


async def _complete(settle) -> bool:
    return sorted(slot for slots in await settle(2) for slot in slots) == list(range(10))


async def test_shares_of_another_name_do_not_interfere(database: Database):
    sessions = [await database.connect_alone("member") for _ in range(2)]
    members = [Shares(session, name, 4) for session, name in zip(sessions, ("a", "b"), strict=True)]
    for member in members:
        await member.balance()
    assert [len(member.owned) for member in members] == [4, 4]
    for session in sessions:
        await session.close()
