"""The life of requests in any order, over HTTP on a real database, against a plain model of what each side sees.

Asked, reminded of, answered in part by one giver or two, declined, taken back, lapsed, asked again; beside consents
that run, are renewed, are given of one's own accord and are withdrawn. Every run is the same one.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.consent.requests.worker import sweep
from tests.consent.world.asking import RECIPIENT, Desk, item, shifted
from tests.consent.world.door import KEY, Citizen, opened, write_keys
from tests.consent.world.people import number
from tests.servers import Postgres

QUESTIONS = ("BIF-JOBINDSATS", "BIF-KANTEN")  # the holder units; all tell the one that asks
CATEGORIES = ("BESKAEFTIGELSESFORLOEB", "FREMMOEDE", "FORSOERGELSE")
ANSWER_DAYS, REMIND_DAYS, COOL_DAYS, DAYS_MAX = 30, 7, 90, 360
# How often each is tried. What is not possible just now makes the unit ask instead.
ACTS = (
    *["ask", "ask", "answer", "answer", "answer", "answer", "decline", "grant", "withdraw", "remind", "remind"],
    *["cancel", "pass_time", "pass_time", "pass_time"],
)

TRIED = {"asked", "refused", "cooling", "answered", "declined", "cancelled", "granted", "lapsed"}  # in every whole run


@dataclass
class Asked:
    """One request as the model has it. `ends`: per question, how it ended: the categories given, a no, or None."""

    request_id: str
    items: dict[str, frozenset[str]]
    at: int
    reminded: bool = False
    cancelled: bool = False
    ends: dict[str, frozenset[str] | str | None] = field(default_factory=dict)

    def state(self) -> tuple[str, str | None]:
        if self.cancelled:
            return "withdrawn_by_requester", None
        if len(self.ends) < len(self.items):
            return "requested", None
        replies = {self._reply(question, end) for question, end in self.ends.items()}
        if replies in ({"given"}, {"declined"}):
            return "answered", replies.pop()
        return ("answered", "given_in_part") if replies & {"given", "given_in_part"} else ("lapsed", None)

    def _reply(self, question: str, end: frozenset[str] | str | None) -> str | None:
        if not isinstance(end, frozenset):
            return end
        got = end & self.items[question]
        return "given" if got == self.items[question] else "given_in_part" if got else None


@dataclass
class Pending:
    """What waits for more signatures. `request`: whose answer it would be."""

    categories: frozenset[str]
    by: set[int]
    request: Asked | None


@dataclass
class Question:
    """All that is open for one question."""

    running: frozenset[str] | None = None
    pending: Pending | None = None
    asked: Asked | None = None
    declined_at: int | None = None


class Requests(RuleBasedStateMachine):
    """`run` is the loop, `desk` the door and `owner` a session of the tables' owner, shared by all examples."""

    run: Callable[[Awaitable[Any]], Any]
    desk: Desk
    owner: asyncpg.Connection
    happened: Counter[str]

    @initialize(chance=st.randoms(use_true_random=True))
    def begin(self, chance: Random) -> None:
        self.now, self.requests, self.chance = 0, list[Asked](), chance
        self.questions = {holder: Question() for holder in QUESTIONS}
        self.run(self._begin(chance.choice([1, 2])))

    @rule(what=st.randoms(use_true_random=True))
    def act(self, what: Random) -> None:
        """One draw decides everything, so that every act is tried in every run."""
        self.chance = what
        if not getattr(self, what.choice(ACTS))():
            self.ask()

    def some(self, among: Iterable[str] = CATEGORIES) -> frozenset[str]:
        known = sorted(among)
        return frozenset(self.chance.sample(known, self.chance.randint(1, len(known))))

    def giver(self) -> int:
        return self.chance.randrange(len(self.givers))

    async def _begin(self, givers: int) -> None:
        door = self.desk.door
        if givers == 1:
            self.subject = await self.desk.known()
            self.givers: list[Citizen] = [self.subject]
            return
        self.subject = await self.desk.known(cpr=number(date(datetime.now(UTC).year - 8, 1, 1)))
        self.givers = [await door.citizen() for _ in range(givers)]
        custody = {"custody_holders": tuple(giver.borger_id for giver in self.givers)}
        await door.happens("cpr.foraeldremyndighed_aendret", self.about, **custody)

    @property
    def about(self) -> UUID:
        return self.subject.borger_id

    # What the unit does. Each answers whether it was possible.

    def ask(self) -> bool:
        wanted = {holder: self.some() for holder in self.chance.sample(QUESTIONS, self.chance.randint(1, 2))}
        items = [item(holder, RECIPIENT, tuple(sorted(some))) for holder, some in wanted.items()]
        answer = self.run(self.desk.ask(self.about, *items))
        open_ones = [self.questions[holder] for holder in wanted]
        waits = any(one.asked or (one.pending and one.pending.request) for one in open_ones)
        cools = any(one.declined_at is not None and self.now < one.declined_at + COOL_DAYS for one in open_ones)
        assert answer.status_code == (409 if waits or cools else 201), answer.text
        self.happened["refused" if waits else "cooling" if cools else "asked"] += 1
        if answer.status_code == 201:
            made = Asked(answer.json()["request_id"], wanted, self.now)
            self.requests.append(made)
            for one in open_ones:
                one.asked = made
        return True

    def remind(self) -> bool:
        if not self.requests:
            return False
        waiting = [request for request in self.requests if request.state()[0] == "requested"]
        request = self.chance.choice(waiting or self.requests[-2:])
        answer = self.run(self.desk.turn({"request_id": request.request_id}, "remind"))
        may = request.state()[0] == "requested" and not request.reminded and self.now >= request.at + REMIND_DAYS
        assert answer.status_code == (200 if may else 409)
        self.happened["reminded" if may else "not reminded"] += 1
        request.reminded = request.reminded or may
        return True

    def cancel(self) -> bool:
        if not self.requests:
            return False
        request = self.chance.choice(self.requests[-2:])
        may = request.state()[0] == "requested"
        answer = self.run(self.desk.turn({"request_id": request.request_id}, "cancel"))
        assert answer.status_code == (200 if may else 409)
        self.happened["cancelled" if may else "not cancelled"] += 1
        if may:
            request.cancelled = True
            self._close(request)
        return True

    # What the citizen, or who acts for them, does

    def answer(self) -> bool:
        """Per open item a yes to some of it, a no, or not yet; sometimes the yes that another giver has said."""
        waiting = [request for request in self.requests if request.state()[0] == "requested"]
        if not waiting:
            return False
        request, by = self.chance.choice(waiting), self.giver()
        said: dict[str, frozenset[str] | None] = {}
        for holder, asked in request.items.items():
            if holder not in request.ends:
                pending = self.questions[holder].pending
                same = pending.categories if pending and pending.request is request else self.some(asked)
                said[holder] = self.chance.choice([None, frozenset(), self.some(asked), same & asked, same & asked])
        expected = all(self._may_declare(holder, accepted, by) for holder, accepted in said.items() if accepted)
        response = self.run(self._answer(request, by, said))
        assert response.status_code in ({200, 202} if expected else {409}), response.text
        self.happened["answered" if expected else "said twice"] += 1
        for holder, accepted in said.items() if expected else []:
            if accepted:
                self._yes(holder, accepted, by)
            elif accepted is None:
                self._no(self.questions[holder], request)
        return True

    def decline(self) -> bool:
        if not self.requests:
            return False
        request, by = self.chance.choice(self.requests[-2:]), self.givers[self.giver()]
        state = request.state()
        response = self.run(self.desk.decline(by, {"request_id": request.request_id}, about=self.about))
        waits = state[0] == "requested"
        assert response.status_code == (200 if waits or state == ("answered", "declined") else 409)
        self.happened["declined" if waits else "not declined"] += 1
        for holder in list(request.items) if waits else []:
            if holder not in request.ends:
                self._no(self.questions[holder], request)
        return True

    def grant(self) -> bool:
        holder, some, by = self.chance.choice(QUESTIONS), self.some(), self.giver()
        wish = {"holder_unit": holder, "recipient_unit": RECIPIENT, "categories": sorted(some)}
        expected = self._may_declare(holder, some, by)
        response = self.run(self.desk.door.grant(self.givers[by], self.about, **wish))
        assert response.status_code in ({201, 202} if expected else {409}), response.text
        self.happened["granted" if expected else "said twice"] += 1
        if expected:
            self._yes(holder, some, by)
        return True

    def withdraw(self) -> bool:
        running = [holder for holder, one in self.questions.items() if one.running is not None]
        if not running:
            return False
        holder = self.chance.choice(running)
        assert self.run(self._withdraw(holder)).status_code == 200
        self.questions[holder].running = None
        self.happened["withdrawn"] += 1
        return True

    # What time does

    def pass_time(self) -> bool:
        cools = any(one.declined_at is not None and self.now < one.declined_at + 90 for one in self.questions.values())
        days = self.chance.choice([8, 91, 91] if cools else [8, 8, 31])
        if self.now + days > DAYS_MAX:
            return False
        self.now += days
        self.run(self._pass(days, swept=self.chance.random() < 0.5))
        for request in self.requests:
            if request.state()[0] == "requested" and self.now >= request.at + ANSWER_DAYS:
                self.happened["lapsed"] += 1
                self._close(request)
        return True

    @invariant()
    def what_is_seen_is_what_the_model_has(self) -> None:
        if hasattr(self, "subject"):
            self.run(self._check())

    # The model's own steps

    def _may_declare(self, holder: str, some: frozenset[str], by: int) -> bool:
        pending = self.questions[holder].pending
        return pending is None or pending.categories != some or by not in pending.by

    def _yes(self, holder: str, some: frozenset[str], by: int) -> None:
        one = self.questions[holder]
        pending = one.pending if one.pending and one.pending.categories == some else Pending(some, set(), None)
        if one.pending is not None and pending.request is None:
            pending.request = one.pending.request
        if one.asked is not None and one.asked.items[holder] & some:
            pending.request, one.asked = pending.request or one.asked, None
        pending.by.add(by)
        one.pending = pending
        if len(pending.by) == len(self.givers):
            one.running, one.pending = some, None
            if pending.request is not None:
                pending.request.ends[holder] = some

    def _no(self, one: Question, request: Asked) -> None:
        holder = next(holder for holder, known in self.questions.items() if known is one)
        request.ends[holder] = "declined"
        if one.asked is request:
            one.asked = None
        else:
            assert one.pending is not None
            assert one.pending.request is request
            one.pending = None
        one.declined_at = self.now

    def _close(self, request: Asked) -> None:
        """Everything of it that is open ends without an answer."""
        for holder in request.items:
            one = self.questions[holder]
            if one.asked is request:
                one.asked = None
            if one.pending is not None and one.pending.request is request:
                one.pending = None
            request.ends.setdefault(holder, None)

    # The same on the real thing

    async def _answer(self, request: Asked, by: int, said: dict[str, frozenset[str] | None]) -> httpx2.Response:
        shown = await self.desk.waiting(self.givers[by], self.about)
        [found] = [one for one in shown if one["request_id"] == request.request_id]
        items = []
        for one in found["items"]:
            if one["open"]:
                accepted = said[one["holder"]["code"]]
                word: dict[str, Any] = {"answer": "decline"} if accepted is None else {"answer": "leave_open"}
                if accepted:
                    word = {"answer": "accept", "categories": sorted(accepted)}
                items.append({"item_id": one["item_id"], **word})
        text = found["text"]["languages"]["da"]["sha256"]
        body = {"items": items, "language": "da", "text_sha256": text}
        headers = {KEY: uuid4().hex}
        return await self.desk.door.call(
            "POST", found["answer_path"], self.givers[by].token, headers=headers, json=body
        )

    async def _withdraw(self, holder: str) -> httpx2.Response:
        row = await self.owner.fetchrow(
            "SELECT consent_id FROM consent WHERE borger_id = $1 AND holder_unit = $2 AND status = 'active'",
            *(self.about, holder),
        )
        path = f"/v1/citizens/{self.about}/consents/{row['consent_id']}:withdraw"
        return await self.desk.door.call("POST", path, self.givers[0].token)

    async def _pass(self, days: int, *, swept: bool) -> None:
        await shifted(self.owner, days, of=self.about)
        if swept:
            state = self.desk.door.app.state
            await sweep(state.database, state.settings, state.signer)

    async def _check(self) -> None:
        seen = {one["request_id"]: one for one in await self.desk.waiting(self.givers[0], self.about)}
        states = {key: (one["state"], one["reply"]) for key, one in seen.items()}
        assert states == {request.request_id: request.state() for request in self.requests}
        if self.requests:
            last = self.requests[-1]
            assert await self.desk.state({"request_id": last.request_id}) == last.state()
        rows = await self.owner.fetch(
            "SELECT holder_unit, categories FROM consent WHERE borger_id = $1 AND status = 'active'", self.about
        )
        running = {holder: one.running for holder, one in self.questions.items() if one.running is not None}
        assert {row["holder_unit"]: frozenset(row["categories"]) for row in rows} == running


@pytest.fixture
def requests(postgres: Postgres) -> Iterator[type[Requests]]:
    """The machine on one database, for all examples: each has a citizen of its own."""
    with (
        postgres.database("consent", owner="consent_owner", template=postgres.template("consent")) as database,
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner() as runner,
    ):
        write_keys(Path(folder))
        stack = AsyncExitStack()

        async def begin() -> tuple[Desk, asyncpg.Connection]:
            door = await stack.enter_async_context(opened(database.url, Path(folder)))
            return Desk(door), await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))

        desk, owner = runner.run(begin())
        yield type(
            "RequestsHere",
            (Requests,),
            {"run": staticmethod(runner.run), "desk": desk, "owner": owner, "happened": Counter()},
        )
        runner.run(owner.close())
        runner.run(stack.aclose())


def test_what_each_side_sees_is_what_was_said_in_whatever_order(requests: type[Requests]) -> None:
    chosen = settings(
        max_examples=10,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(requests, settings=chosen)
    assert set(requests.happened) >= TRIED
