"""Permits: acquired and settled in batches, and what a withdrawal costs while some are open."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

from libs.common.wire.permits import PermitItem, SettleItem
from services.consent.fence import permits as fence_permits
from tests.bench.grants import HOLDER, PURPOSE, RECIPIENT, WARM, Grants
from tests.bench.replay import recorded, script
from tests.bench.world import JSON, World, role_token

EVENT = "bif.forloeb.udeblevet"  # reveals FREMMOEDE, which the grants name
BLOCKS, BLOCK = 20, 100  # citizens are taken in blocks of a hundred: a batch is about so many people
LEASE_MS = 5_000
SLOT = "bench/advis"


class Permits:
    """One holder and its supervisor; the citizens of each block have consented, and an event of theirs has arrived."""

    def __init__(self, world: World, grants: Grants) -> None:
        self.world = world
        self.grants = grants
        self.holder_id = UUID(int=0)
        self.token = ""
        self.openings: list[JSON] = []
        self._block = 0

    async def prepare(self) -> None:
        """Consents, a holder, and one opening for each citizen."""
        while len(self.grants.given) < BLOCKS * BLOCK:
            await asyncio.gather(*(self.grants.grant() for _ in range(16)))
        await self.new_holder()
        for start in range(0, BLOCKS * BLOCK, BLOCK):
            self.openings += await self._arrived(range(start, start + BLOCK))

    async def new_holder(self) -> None:
        """Register another incarnation in the slot."""
        self.holder_id = uuid4()
        body = {"holder_id": str(self.holder_id), "slot": SLOT}
        status, answer = await self.world.call("POST", "/v1/holders", supervisor(), body)
        assert status == 201, answer
        self.token = answer["token"]

    async def arrived(self, n: int) -> JSON:
        """The opening of an event about the nth citizen that arrives now."""
        (opening,) = await self._arrived(range(n, n + 1))
        return opening

    async def _arrived(self, citizens: range) -> list[JSON]:
        advis = role_token("advis", subject="advis", client_id="advis")
        events = [
            {
                "event_id": str(uuid4()),
                "type": EVENT,
                "borger_id": str(self.world.citizen(n)),
                "holder_unit": HOLDER,
                "occurred_at": datetime.now(UTC).isoformat(),
                "position": {"topic": "case.events", "partition": 0, "offset": 0},
            }
            for n in citizens
        ]
        status, answer = await self.world.call("POST", "/v1/arrivals", advis, {"items": events})
        assert status == 200, answer
        return [
            next(o for o in item["openings"] if o["recipient_unit"] == RECIPIENT and o["purpose"] == PURPOSE)
            for item in answer["items"]
        ]

    def items(self, size: int) -> list[JSON]:
        """The next batch: so many citizens of the next block, each with a notification of its own."""
        self._block = (self._block + 1) % BLOCKS
        start = self._block * BLOCK
        return [item_of(opening) for opening in self.openings[start : start + size]]

    async def acquire(self, items: list[JSON]) -> None:
        """Over HTTP; every one must be granted."""
        status, answer = await self.world.call("POST", "/v1/permits:acquire", self.token, {"items": items})
        if status != 200 or len(answer["granted"]) != len(items):
            raise RuntimeError(f"acquire: {status} {len(answer.get('granted', ()))} of {len(items)}")

    async def settle(self, items: list[JSON]) -> None:
        """Over HTTP, as disclosed."""
        body = {"items": [{"permit_id": item["permit_id"], "outcome": "disclosed"} for item in items]}
        status, answer = await self.world.call("POST", "/v1/permits:settle", self.token, body)
        if status != 204:
            raise RuntimeError(f"settle: {status} {answer}")

    async def pair(self, size: int) -> int:
        """Acquire a batch and settle it: so many permits."""
        items = self.items(size)
        await self.acquire(items)
        await self.settle(items)
        return size

    async def sql(self, size: int) -> str:
        """The same two transactions for pgbench, as one: of one block of citizens drawn at random."""
        known = {self.world.citizen(n): f"lpad(to_hex((:b * {BLOCK} + {n + 1})::bigint), 12, '0')" for n in range(size)}
        known[self.holder_id] = f"'{self.holder_id.hex[-12:]}'"

        async def both() -> None:
            await fence_permits.acquire(session, self.holder_id, items, longest_ms=LEASE_MS)
            await fence_permits.settle(session, self.holder_id, settled)

        for _ in range(WARM):
            items = [PermitItem.model_validate(item_of(opening)) for opening in self.openings[:size]]
            settled = [SettleItem(permit_id=item.permit_id, outcome="disclosed") for item in items]
            async with self.world.database.write() as session:
                statements = await recorded(session, both)
        return script(statements, known)


def item_of(opening: JSON) -> JSON:
    """A permit item about an opening, with new ids."""
    return {
        "permit_id": str(uuid4()),
        "notification_id": str(uuid4()),
        "kind": "inbox",
        "actor": "sof101",
        "event_type": EVENT,
        "holder_unit": HOLDER,
        "recipient_unit": opening["recipient_unit"],
        "purpose": opening["purpose"],
        "reveals": opening["reveals"],
    }


def supervisor() -> str:
    """The supervisor's access token."""
    return role_token("supervisor", subject="bench", client_id="bench")


async def withdrawn_under_open_permits(permits: Permits, count: int) -> float:
    """How many ms after the last settle was answered the withdrawal is; the permits are settled while it waits."""
    world, grants = permits.world, permits.grants
    await grants.grant()
    n, consent_id = grants.given.popitem()
    opening = await permits.arrived(n)
    items = [item_of(opening) for _ in range(count)]
    await permits.acquire(items)
    path = f"/v1/citizens/{world.citizen(n)}/consents/{consent_id}:withdraw"
    waiting = asyncio.create_task(world.call("POST", path, world.token(n)))
    await asyncio.sleep(0.1)
    assert not waiting.done(), "the withdrawal must wait for open permits"
    await asyncio.gather(*(permits.settle([item]) for item in items))
    settled = time.perf_counter()
    status, answer = await waiting
    assert status == 200, answer
    return max(0.0, (time.perf_counter() - settled) * 1000)


async def withdrawn_from_a_hung_holder(permits: Permits) -> float:
    """How many ms a withdrawal waits for a holder that never settles, killed and confirmed dead when it is ordered."""
    world, grants = permits.world, permits.grants
    await permits.new_holder()
    await grants.grant()
    n, consent_id = grants.given.popitem()
    await permits.acquire([item_of(await permits.arrived(n))])
    path = f"/v1/citizens/{world.citizen(n)}/consents/{consent_id}:withdraw"
    begun = time.perf_counter()
    waiting = asyncio.create_task(world.call("POST", path, world.token(n)))
    while not waiting.done():
        _, orders = await world.call("GET", f"/v1/holders/{SLOT}/orders", supervisor())
        for holder_id in orders["holder_ids"]:
            await world.call("POST", f"/v1/holders/{holder_id}:dead", supervisor(), {"proof": "reaped"})
        await asyncio.sleep(0.05)
    status, answer = await waiting
    assert status == 200, answer
    took = (time.perf_counter() - begun) * 1000
    await permits.new_holder()  # the hung one is dead
    return took
