"""The life of requests in any order, over HTTP on a real database, against a plain model of what each side sees.

Asked, reminded of, answered in part by one giver or two, declined, taken back, lapsed, asked again; beside consents
that run, are renewed, are given of one's own accord and are withdrawn. Every run is the same one.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.consent.worker_requests import sweep
from tests.consent.asking import RECIPIENT, Desk, item, shifted
from tests.consent.door import KEY, Citizen, opened, write_keys
from tests.consent.people import number
from tests.servers import Postgres

QUESTIONS = ("BIF-JOBINDSATS", "BIF-KANTEN")  # the holder units; all tell the one that asks
CATEGORIES = ("BESKAEFTIGELSESFORLOEB", "FREMMOEDE", "FORSOERGELSE")
ANSWER_DAYS, REMIND_DAYS, COOL_DAYS, DAYS_MAX = 30, 7, 90, 300
SOME = st.sets(st.sampled_from(CATEGORIES), min_size=1)


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

    @initialize(givers=st.sampled_from([1, 1, 2]))
    def begin(self, givers: int) -> None:
        self.now, self.requests = 0, list[Asked]()
        self.questions = {holder: Question() for holder in QUESTIONS}
        self.run(self._begin(givers))

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

    # What the unit does

    @rule(wanted=st.dictionaries(st.sampled_from(QUESTIONS), SOME, min_size=1))
    def ask(self, wanted: dict[str, set[str]]) -> None:
        items = [item(holder, RECIPIENT, tuple(sorted(some))) for holder, some in wanted.items()]
        answer = self.run(self.desk.ask(self.about, *items))
        open_ones = [self.questions[holder] for holder in wanted]
        waits = any(one.asked or (one.pending and one.pending.request) for one in open_ones)
        cools = any(one.declined_at is not None and self.now < one.declined_at + COOL_DAYS for one in open_ones)
        assert answer.status_code == (409 if waits or cools else 201), answer.text
        if answer.status_code == 201:
            made = Asked(
                answer.json()["request_id"], {holder: frozenset(some) for holder, some in wanted.items()}, self.now
            )
            self.requests.append(made)
            for one in open_ones:
                one.asked = made

    @rule(which=st.integers(0, 9))
    def remind(self, which: int) -> None:
        if not self.requests:
            return
        request = self.requests[which % len(self.requests)]
        answer = self.run(self.desk.turn({"request_id": request.request_id}, "remind"))
        may = request.state()[0] == "requested" and not request.reminded and self.now >= request.at + REMIND_DAYS
        assert answer.status_code == (200 if may else 409)
        request.reminded = request.reminded or may

    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        if not self.requests:
            return
        request = self.requests[which % len(self.requests)]
        may = request.state()[0] == "requested"
        answer = self.run(self.desk.turn({"request_id": request.request_id}, "cancel"))
        assert answer.status_code == (200 if may else 409)
        if may:
            request.cancelled = True
            self._close(request)

    # What the citizen, or who acts for them, does

    @rule(which=st.integers(0, 9), giver=st.integers(0, 1), words=st.lists(st.none() | SOME, min_size=2, max_size=2))
    def answer(self, which: int, giver: int, words: list[set[str] | None]) -> None:
        """A yes to what is among the asked for, a no where nothing of it is, and one is left open where both are."""
        waiting = [request for request in self.requests if request.state()[0] == "requested"]
        if not waiting:
            return
        request, by = waiting[which % len(waiting)], giver % len(self.givers)
        said: dict[str, frozenset[str] | None] = {}
        for holder, word in zip(QUESTIONS, words, strict=True):
            if holder in request.items and holder not in request.ends:
                accepted = frozenset(word or ()) & request.items[holder]
                said[holder] = accepted if word is not None else None
        expected = all(self._may_declare(holder, accepted, by) for holder, accepted in said.items() if accepted)
        response = self.run(self._answer(request, by, said))
        assert response.status_code in ({200, 202} if expected else {409}), response.text
        if expected:
            for holder, accepted in said.items():
                if accepted:
                    self._yes(holder, accepted, by)
                elif accepted is None:
                    self._no(self.questions[holder])

    @rule(which=st.integers(0, 9), giver=st.integers(0, 1))
    def decline(self, which: int, giver: int) -> None:
        if not self.requests:
            return
        request = self.requests[which % len(self.requests)]
        state = request.state()
        by = self.givers[giver % len(self.givers)]
        response = self.run(self.desk.decline(by, {"request_id": request.request_id}, about=self.about))
        waits = state[0] == "requested"
        assert response.status_code == (200 if waits or state == ("answered", "declined") else 409)
        for holder in list(request.items) if waits else []:
            if holder not in request.ends:
                self._no(self.questions[holder])

    @rule(holder=st.sampled_from(QUESTIONS), some=SOME, giver=st.integers(0, 1))
    def grant(self, holder: str, some: set[str], giver: int) -> None:
        by, wish = giver % len(self.givers), {"holder_unit": holder, "recipient_unit": RECIPIENT}
        expected = self._may_declare(holder, frozenset(some), by)
        response = self.run(self.desk.door.grant(self.givers[by], self.about, categories=sorted(some), **wish))
        assert response.status_code in ({201, 202} if expected else {409}), response.text
        if expected:
            self._yes(holder, frozenset(some), by)

    @rule(holder=st.sampled_from(QUESTIONS))
    def withdraw(self, holder: str) -> None:
        if self.questions[holder].running is not None:
            assert self.run(self._withdraw(holder)).status_code == 200
            self.questions[holder].running = None

    # What time does

    @rule(days=st.sampled_from([3, 8, 8, 31, 91]), swept=st.booleans())
    def pass_time(self, days: int, swept: bool) -> None:
        if self.now + days > DAYS_MAX:
            return
        self.now += days
        self.run(self._pass(days, swept=swept))
        for request in self.requests:
            if not request.cancelled and self.now >= request.at + ANSWER_DAYS:
                self._close(request)

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

    def _no(self, one: Question) -> None:
        request = one.asked or (one.pending and one.pending.request)
        assert request
        holder = next(holder for holder, known in self.questions.items() if known is one)
        request.ends[holder] = "declined"
        if one.asked is request:
            one.asked = None
        else:
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
        yield type("RequestsHere", (Requests,), {"run": staticmethod(runner.run), "desk": desk, "owner": owner})
        runner.run(owner.close())
        runner.run(stack.aclose())


def test_what_each_side_sees_is_what_was_said_in_whatever_order(requests: type[Requests]) -> None:
    chosen = settings(
        max_examples=14,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(requests, settings=chosen)
