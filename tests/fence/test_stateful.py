"""The code's own acts, statement by statement in any order, on a real PostgreSQL, against the model's oracle.

Hypothesis chooses what happens and who goes on: citizens who give, narrow, renew, withdraw, refuse and take it back;
processes that ask, write, settle, crash and are buried; calls that come late, twice or never; clients that die between
two statements. Every run is the same one; FENCE_DEEP=1 makes more of them.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.fence.acts import OWN_EVENTS, PARENTS, Acts
from tests.fence.oracle import Call, Process
from tests.fence.stepping import Stage, stepped
from tests.servers import Postgres

DEEPLY = os.environ.get("FENCE_DEEP") == "1"
EXAMPLES = 2_000 if DEEPLY else 60
UNDER_WAY_MAX = 4
# How often each is tried. What is not possible just now makes somebody go on instead.
ACTS = (
    *["go_on"] * 5,
    *["give", "give", "give", "give_less", "give_less", "withdraw", "withdraw", "withdraw_again", "withdraw_again"],
    *["refuse", "refuse", "lift", "lift", "lift", "look", "look"],
    *["event"] * 6,
    *["event_late", "event_late", "acquire_late", "acquire_late", "acquire_late", "acquire_batch", "preview"],
    *["write", "write", "settle", "settle", "settle", "settle_again"],
    *["leases_end", "crash", "obey_and_bury", "client_dies", "client_dies"],
)
T = TypeVar("T")


class Fence(RuleBasedStateMachine):
    """`new_acts` begins an example; `run` is the loop that all examples share."""

    new_acts: Callable[[], Awaitable[Acts]]
    run: Callable[[Awaitable[Any]], Any]
    acts: Acts

    @initialize(family=st.booleans())
    def begin(self, family: bool) -> None:
        """Two processes, and the consents that the first disclosures need."""
        self.run(self._begin(family))

    @rule(
        what=st.sampled_from(ACTS),
        which=st.integers(0, 11),
        then=st.sampled_from(["stand", "statement", "commit", "end", "end", "end", "end"]),
    )
    def act(self, what: str, which: int, then: str) -> None:
        """Something begins, or somebody goes on, as far as `then` says and locks let them."""
        self.run(self._act(what, which, then))

    def teardown(self) -> None:
        """The faults have stopped: every withdrawal is answered, and the records are right."""
        if hasattr(self, "acts"):
            try:
                self.run(self._end())
            finally:
                self.run(self.acts.abandon())

    async def _begin(self, family: bool) -> None:
        self.acts = await self.new_acts()
        self.scopes = self.acts.scopes[1:] if family else self.acts.scopes[:1]
        self.events = [PARENTS] if family else sorted(OWN_EVENTS)
        for _ in range(2):
            await self.acts.register()
        for scope in self.scopes:
            await self.acts.give(scope, frozenset(scope.periods))
        await self.acts.finish()

    async def _act(self, what: str, which: int, then: str) -> None:
        under_way = len(self.acts.doing)
        done = under_way < UNDER_WAY_MAX and await getattr(self, what)(which)
        if len(self.acts.doing) > under_way:
            await self.acts.advance(self.acts.doing[-1], then)
            await self.acts.drain(then)
        elif not done and self.acts.doing:
            await self.acts.advance(pick(which, self.acts.doing), then)
            await self.acts.drain(then)

    async def _end(self) -> None:
        acts = self.acts
        await acts.finish()
        for call in acts.oracle.calls:
            if call.process.runs and (call.stage in {"asked", "granted", "written"} or call.is_open):
                await acts.settle(call, "disclosed" if call.stage == "written" else "unknown")
                await acts.finish()
        for process in acts.processes:
            if not process.runs:
                await acts.bury(process)
                await acts.finish()
        for withdrawal_id in self.unanswered():
            await acts.look(withdrawal_id)
            await acts.finish()
        assert not self.unanswered(), "200 is out of reach"
        await acts.check_records()

    # What a citizen does. Each answers whether it was possible; `which` chooses.

    async def give(self, which: int) -> bool:
        scope = pick(which, self.scopes)
        await self.acts.give(scope, frozenset(scope.periods))
        return True

    async def give_less(self, which: int) -> bool:
        scope = self.scopes[0]
        await self.acts.give(scope, frozenset({pick(which, sorted(scope.periods))}))
        return True

    async def withdraw(self, which: int) -> bool:
        scope = pick(which, [scope for scope in self.scopes if scope.consent_id])
        if scope:
            await self.acts.withdraw(scope, scope.consent_id)
        return scope is not None

    async def withdraw_again(self, which: int) -> bool:
        ending = pick(which, [one for one in self.acts.oracle.endings.values() if one.consent_id])
        if ending:
            await self.acts.withdraw(ending.scope, ending.consent_id)
        return ending is not None

    async def refuse(self, which: int) -> bool:
        await self.acts.refuse(pick(which, self.scopes))
        return True

    async def lift(self, which: int) -> bool:
        scope = pick(which, [scope for scope in self.scopes if scope.refusal_id])
        if scope:
            await self.acts.lift(scope, scope.refusal_id)
        return scope is not None

    async def look(self, which: int) -> bool:
        withdrawal_id = pick(which, self.unanswered())
        if withdrawal_id:
            await self.acts.look(withdrawal_id)
        return withdrawal_id is not None

    # What a process does

    async def event(self, which: int) -> bool:
        """It arrives, and its acquire is sent."""
        process = pick(which, self.running())
        await self.acts.acquire(process, [await self.acts.arrive(process, pick(which // 2, self.events))])
        return True

    async def event_late(self, which: int) -> bool:
        """It arrives, and its acquire is on its way for long."""
        await self.acts.arrive(pick(which, self.running()), pick(which // 2, self.events))
        return True

    async def acquire_late(self, which: int) -> bool:
        """Delivered late, or for the second time; its process may be long dead."""
        call = pick(which, self.acts.oracle.calls[:-5:-1])
        if call:
            await self.acts.acquire(call.process, [call])
        return call is not None

    async def acquire_batch(self, which: int) -> bool:
        """One that is new, and two that are known."""
        process = pick(which, self.running())
        known = [call for call in self.acts.oracle.calls if call.process is process][-2:]
        new = await self.acts.arrive(process, pick(which // 2, self.events))
        await self.acts.acquire(process, [new, *known])
        return True

    async def write(self, which: int) -> bool:
        """The lease was looked at, however long ago; this is the first byte."""
        call = pick(which, self.at("granted"))
        if call:
            self.acts.oracle.writes(call)
            call.stage = "written"
        return call is not None

    async def settle(self, which: int) -> bool:
        """What was written is settled; so is what was given up, whether its answer came or not."""
        call = pick(which, self.at("written") or self.at("asked", "granted"))
        if call:
            outcome = pick(which, ["disclosed", "unknown"]) if call.stage == "written" else "not_sent"
            call.stage = "over"
            await self.acts.settle(call, outcome)
        return call is not None

    async def settle_again(self, which: int) -> bool:
        call = pick(which, self.at("over"))
        if call:
            await self.acts.settle(call, "unknown")
        return call is not None

    async def preview(self, which: int) -> bool:
        await self.acts.preview(self.acts.oracle.calls[-6:])
        return bool(self.acts.oracle.calls)

    # What goes wrong, and what is done about it

    async def leases_end(self, which: int) -> bool:
        await self.acts.leases_end()
        return True

    async def crash(self, which: int) -> bool:
        process = pick(which, self.running())
        process.runs = False
        await self.acts.register()
        return True

    async def obey_and_bury(self, which: int) -> bool:
        """The supervisor kills whom it must, and buries one of the dead."""
        await self.acts.obey()
        dead = pick(which, [process for process in self.acts.processes if not process.runs and not process.buried])
        if dead:
            await self.acts.bury(dead)
        if len(self.running()) < 2:
            await self.acts.register()
        return dead is not None

    async def client_dies(self, which: int) -> bool:
        doing = pick(which, [doing for doing in self.acts.doing if doing.actor.stands])
        if doing:
            await self.acts.crash(doing)
        return doing is not None

    async def go_on(self, which: int) -> bool:
        return False

    # What there is

    def running(self) -> list[Process]:
        return [process for process in self.acts.processes if process.runs]

    def at(self, *stages: str) -> list[Call]:
        return [call for call in self.acts.oracle.calls if call.stage in stages and call.process.runs]

    def unanswered(self) -> list[UUID]:
        return [key for key, ending in self.acts.oracle.endings.items() if not ending.answered]


def pick(number: int, some: Sequence[T]) -> T | None:
    return some[number % len(some)] if some else None


@pytest.fixture
def fence(postgres: Postgres) -> Iterator[type[Fence]]:
    """The machine on one database, for all examples: each has people and processes of its own."""
    with postgres.database("consent", owner="consent_owner", template=postgres.template("consent")) as database:
        loop = asyncio.new_event_loop()
        under = loop.run_until_complete(stepped(database.url))
        watcher = loop.run_until_complete(asyncpg.connect(database.url.replace("+asyncpg", "")))
        owner = loop.run_until_complete(asyncpg.connect(database.owner_url.replace("+asyncpg", "")))

        async def new_acts() -> Acts:
            acts = Acts(Stage(under, watcher), owner)
            await acts.begin()
            return acts

        yield type("FenceHere", (Fence,), {"new_acts": staticmethod(new_acts), "run": loop.run_until_complete})
        for closing in (watcher.close(), owner.close(), under.close()):
            loop.run_until_complete(closing)
        loop.close()


@pytest.mark.timeout(3_600 if DEEPLY else 240)
def test_the_promises_hold_whatever_happens_in_whatever_order(fence: type[Fence]) -> None:
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=50,
        deadline=None,
        derandomize=not DEEPLY,
        database=None,
        print_blob=False,
        phases=[Phase.generate, *([Phase.shrink] if DEEPLY else [])],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(fence, settings=chosen)
