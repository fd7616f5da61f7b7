"""Everybody at once, at random: citizens who give and withdraw, processes that disclose, lose calls, and die.

The oracle is the promise itself (P1), judged where a sender would write its first byte: at that moment no withdrawal
of a newer epoch than the permit's has been answered `200`. All actors live on one event loop, so "after" is exact.
"""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.database.database import driver
from libs.common.wire.permits import PermitItem, Revealed
from services.consent.drains.drain import DrainLimits
from services.consent.fence.permits import HolderDeadError
from services.consent.model.scope import ScopeKey
from tests.consent.world.fence_world import CATEGORY, FAMILY, FAMILY_EVENT, PURPOSE, RECIPIENT, World, an_item

PATIENT = DrainLimits(margin_ms=60_000, wait_ms=20_000, poll_ms_min=1, poll_ms_max=5)
ROUNDS = 6
FAMILY_UNITS = {"holder_unit": FAMILY[0], "recipient_unit": FAMILY[1], "purpose": FAMILY[2]}


@dataclass
class Story:
    """What has happened so far. `answered`: per scope, the epochs of the withdrawals answered `200`."""

    world: World
    chance: random.Random
    answered: dict[ScopeKey, int] = field(default_factory=lambda: defaultdict(int))
    disclosed: int = 0
    refused: int = 0
    died: int = 0

    async def pause(self) -> None:
        await asyncio.sleep(self.chance.choice((0, 0, 0.002, 0.01)))

    async def citizen(self, key: ScopeKey, **consent: Any) -> None:
        """Give, wait, withdraw, wait for the `200`, again and again; sometimes renew, sometimes repeat."""
        for _ in range(ROUNDS):
            given = await self.world.grant(key.borger_id, **consent)
            await asyncio.sleep(self.chance.uniform(0, 0.2))
            if self.chance.random() < 0.3:
                given = await self.world.grant(key.borger_id, **consent)
            withdrawal = await self.world.withdraw(given)
            epoch = await self.world.epoch(*key)
            if self.chance.random() < 0.3:
                assert await self.world.withdraw(given) == withdrawal
            assert await self.world.drained(withdrawal, PATIENT)
            self.answered[key] = epoch  # the `200`
            await self.pause()

    async def holder(self, make: "Recipe", ended: asyncio.Event) -> None:
        """Disclose until the citizens are done: acquire, write, settle, each sometimes lost, late or twice."""
        holder_id = await self.world.holder()
        while not ended.is_set():
            item = await make(self.world)
            await self.pause()
            if self.chance.random() < 0.1:
                await self.world.settle(holder_id, item.permit_id, outcome="not_sent")
                assert await self.world.acquire(holder_id, item) == [], "a settled id was granted"
                continue
            granted = await self.world.acquire(holder_id, item)
            if self.chance.random() < 0.2:
                assert len(await self.world.acquire(holder_id, item)) >= len(granted), "a repetition was refused"
            if not granted:
                self.refused += 1
                await self.world.settle(holder_id, item.permit_id, outcome="not_sent")
                continue
            await self.pause()
            await self.write(item.permit_id)
            if self.chance.random() < 0.15:
                holder_id = await self.replaced(holder_id, item)
            else:
                await self.world.settle(holder_id, item.permit_id)

    async def write(self, permit_id: UUID) -> None:
        """The first byte: no newer withdrawal of anything it reveals has been answered."""
        async with self.world.database.read() as session:
            rows = await driver(session).fetch("SELECT * FROM permit_scope WHERE permit_id = $1", permit_id)
        assert rows, "a permit that is held has no scopes"
        for row in rows:
            key = ScopeKey(row["borger_id"], row["purpose"], row["recipient_unit"])
            assert self.answered[key] <= row["epoch"], "disclosed after the 200"
        self.disclosed += 1

    async def replaced(self, holder_id: UUID, item: PermitItem) -> UUID:
        """The process is killed with a permit open, is confirmed dead, and another takes its place."""
        await self.pause()
        await self.world.die(holder_id)
        self.died += 1
        with pytest.raises(HolderDeadError):
            await self.world.acquire(holder_id, item)
        return await self.world.holder()


class Recipe:
    """Makes what a notification of an event that arrives now would ask for."""

    def __init__(self, event_type: str, told: dict[UUID, str], **units: str) -> None:
        self._told = told
        self._changes: dict[str, Any] = {"event_type": event_type, **units}

    async def __call__(self, world: World) -> PermitItem:
        purpose = self._changes.get("purpose", PURPOSE)
        recipient = self._changes.get("recipient_unit", RECIPIENT)
        epochs = [await world.epoch(borger_id, purpose, recipient) for borger_id in self._told]
        told = (
            Revealed(borger_id=borger_id, category=category, epoch=epoch)
            for (borger_id, category), epoch in zip(self._told.items(), epochs, strict=True)
        )
        return an_item(*told, permit_id=uuid4(), **self._changes)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_ever_disclosed_after_the_answer_to_a_withdrawal(world: World, seed: int) -> None:
    mother = await world.citizen()
    child = await world.citizen(age=8, parents=[mother])
    citizens: list[tuple[ScopeKey, dict[str, Any]]] = [
        (ScopeKey(mother, PURPOSE, RECIPIENT), {}),
        (ScopeKey(mother, FAMILY[2], FAMILY[1]), {"categories": {"SAGSEKSISTENS"}, **FAMILY_UNITS}),
        (ScopeKey(child, FAMILY[2], FAMILY[1]), {"categories": {"BARN_SAG"}, "givers": (mother,), **FAMILY_UNITS}),
    ]
    for key, consent in citizens:
        await world.withdraw(await world.grant(key.borger_id, **consent))
    own = Recipe("bif.forloeb.udeblevet", {mother: CATEGORY})
    family = Recipe(FAMILY_EVENT, {child: "BARN_SAG", mother: "SAGSEKSISTENS"}, **FAMILY_UNITS)
    story, ended = Story(world, random.Random(seed)), asyncio.Event()
    holders = [asyncio.create_task(story.holder(recipe, ended)) for recipe in (own, own, family, family)]
    await asyncio.gather(*(story.citizen(key, **consent) for key, consent in citizens))
    ended.set()
    await asyncio.gather(*holders)
    assert story.disclosed, "the test has shown nothing"
    assert story.refused
    assert await world.value("SELECT count(*) FROM permit WHERE state = 'open'") == 0
    assert await world.value("SELECT count(*) FROM permit_scope") == 0
    assert await world.value("SELECT sum(count - not_sent) FROM use_log WHERE kind = 'inbox'") >= story.disclosed
