"""Every permit ends: whatever is away, a settle is repeated until accepted and its audit entry is written once."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from libs.common.database.database import Database
from libs.common.http.client import ServiceClient
from services.advis.consent.client import ConsentUnavailableError, Fence
from services.advis.disclosure.permits import Question
from services.advis.disclosure.settlements import Settlements, Use
from services.advis.model.audit import Actor
from services.advis.model.reach import Reach
from services.advis.notifications.notification import Notification, Revealed, State
from tests.advis.world.reading import audit_entries
from tests.fakes import HOLDER_TOKEN
from tests.waiting import until

ACTOR = Actor("bif101", "caseworker")
SETTLE = "/v1/permits:settle"


def use(permit_id: UUID | None = None, persons: int = 1) -> Use:
    now = datetime.now(UTC)
    told = tuple(Revealed(uuid4(), "RUSMIDDEL", 1) for _ in range(persons))
    notification = Notification(
        uuid4(),
        *("e1", "sof.rusmiddel.opstartet", "RUSMIDDEL", now, now, "SOF-RUSMIDDEL", "BIF-KANTEN", "KOORDINERING"),
        *(uuid4(), "BIF-26-1", told, State.UNREAD, None),
    )
    return Use(permit_id or uuid4(), notification, ACTOR)


@pytest.fixture
async def running(settlements):
    task = asyncio.create_task(settlements.run())
    yield settlements
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_permit_is_settled_and_recorded_about_each_person(running, consent, database):
    running.add([use(persons=2)], Reach.DISCLOSED)
    assert await running.finish(5)
    assert list(consent.settled.values()) == ["disclosed"]
    made = await audit_entries(database, "disclosure.made")
    assert len({entry["subject"] for entry in made}) == 2
    assert len({entry["objects"]["permit_id"] for entry in made}) == 1


@pytest.mark.parametrize(
    ("reach", "kind", "outcome"),
    [
        (Reach.DISCLOSED, "disclosure.made", "success"),
        (Reach.NOT_SENT, "disclosure.not_sent", "failure"),
        (Reach.UNKNOWN, "disclosure.unknown", "failure"),
    ],
)
async def test_each_outcome_has_its_own_entry(reach, kind, outcome, running, consent, database):
    running.add([use()], reach)
    assert await running.finish(5)
    assert [(entry["type"], entry["outcome"]) for entry in await audit_entries(database)] == [(kind, outcome)]
    assert list(consent.settled.values()) == [reach.value]


async def test_while_consent_is_away_nothing_is_forgotten(running, consent):
    consent.away = True
    uses = [use() for _ in range(3)]
    for one in uses:
        running.add([one], Reach.DISCLOSED)
    assert not await running.finish(0.2)
    consent.away = False
    assert await running.finish(5)
    assert consent.settled.keys() == {one.permit_id for one in uses}


async def test_many_are_settled_in_few_calls_of_at_most_500(running, consent):
    running.add([use() for _ in range(1100)], Reach.NOT_SENT)
    assert await running.finish(10)
    assert [len(call.items) for call in consent.calls[SETTLE]] == [500, 500, 100]


async def test_a_database_that_is_away_delays_the_entry_and_not_the_settle(
    fence, consent, bell, advis_database, database
):
    broken = Database("postgresql+asyncpg://advis:x@127.0.0.1:1/none", application_name="test")
    settlements = Settlements(fence, broken, bell)
    task = asyncio.create_task(settlements.run())
    settlements.add([use()], Reach.DISCLOSED)

    async def settled() -> bool:
        return bool(consent.settled)

    await until(settled)
    assert not await settlements.finish(0)
    settlements._database = database  # the database is back
    assert await settlements.finish(5)
    assert len(await audit_entries(database, "disclosure.made")) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await broken.close()


async def test_what_ends_while_others_are_recorded_is_settled_only_after_its_own_record(running, consent, database):
    """A process that dies in between would otherwise leave a settled permit of which audit never hears how it ended."""
    first, second = use(), use()
    async with database.write() as blocker:
        await blocker.exec_driver_sql("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        running.add([first], Reach.DISCLOSED)

        async def recording() -> bool:
            waiting = await blocker.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(waiting.scalar_one())

        await until(recording)
        running.add([second], Reach.DISCLOSED)
    assert await running.finish(5)
    called = [[item.permit_id for item in call.items] for call in consent.calls[SETTLE]]
    assert called == [[first.permit_id], [second.permit_id]]


async def test_a_database_that_hangs_does_not_hold_up_the_settle(running, consent, database):
    async with database.write() as blocker:
        await blocker.exec_driver_sql("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        running.add([use()], Reach.DISCLOSED)

        async def settled() -> bool:
            return bool(consent.settled)

        await until(settled, 4)  # the lock alone would be given up after five
    assert await running.finish(5)
    assert len(await audit_entries(database, "disclosure.made")) == 1


@pytest.mark.parametrize("rate", [5, 40, 400])
async def test_a_slow_consent_gets_through_what_it_can_and_is_asked_for_none_of_it_twice(rate, consent, database, bell):
    """64 permits that begin anew as 64 after each timeout would be settled by no consent that takes longer for them."""
    consent.settle_rate = rate
    timeout_s = 0.5
    async with ServiceClient(consent.url, bearer=HOLDER_TOKEN, timeout_s=timeout_s) as holder:
        settlements = Settlements(Fence(holder, holder, lease_ms=5_000), database, bell)
        task = asyncio.create_task(settlements.run())
        uses = [use() for _ in range(64 if rate > 5 else 8)]
        settlements.add(uses, Reach.DISCLOSED)
        assert await settlements.finish(3 * len(uses) / rate + 10 * timeout_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert consent.settled.keys() == {one.permit_id for one in uses}
    assert sum(consent.accepted) == len(uses)
    tries = [len(call.items) for call in consent.calls[SETTLE]]
    assert len(tries) - len(consent.accepted) <= 1 + len(tries) // 4  # few are too large


async def test_after_a_failure_the_batches_grow_again(running, consent):
    consent.away = True
    running.add([use() for _ in range(500)], Reach.NOT_SENT)
    assert not await running.finish(0.5)
    consent.away = False
    assert await running.finish(10)
    sizes = consent.accepted[:-1]
    assert sizes == sorted(sizes)
    assert sizes[0] < 10
    assert max(sizes) > 4 * sizes[0]


async def test_one_that_consent_cannot_settle_holds_up_no_other(running, consent):
    uses = [use() for _ in range(40)]
    consent.unsettleable = {uses[0].permit_id}
    running.add(uses, Reach.DISCLOSED)

    async def others_settled() -> bool:
        return consent.settled.keys() == {one.permit_id for one in uses[1:]}

    await until(others_settled)
    assert not await running.finish(0)
    consent.unsettleable = set()
    assert await running.finish(10)
    assert sum(consent.accepted) == len(uses)


async def test_a_commit_that_hangs_does_not_hold_up_the_settle_and_is_not_begun_twice(
    running, consent, database, postgres, advis_database
):
    """As where a synchronous standby is missing: a commit takes as long as it likes, and nothing may end it."""
    postgres.execute(
        "CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER waiting AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION wait_at_commit()",
        database=advis_database.name,
    )
    gate = await database.connect_alone("gate")
    await gate.execute("SELECT pg_advisory_lock(7)")
    uses = [use(), use()]
    try:
        for count, one in enumerate(uses, 1):
            running.add([one], Reach.DISCLOSED)

            async def settled(count: int = count) -> bool:
                return len(consent.settled) == count

            await until(settled, 2)  # the commit's own lock would be given up after five
        commits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        assert await gate.fetchval(commits) == 1
        assert not await running.finish(0)
    finally:
        await gate.close()
    assert await running.finish(5)
    made = await audit_entries(database, "disclosure.made")
    assert {entry["objects"]["permit_id"] for entry in made} == {str(one.permit_id) for one in uses}
    assert len({entry["id"] for entry in made}) == 2  # what is not sure to be committed is repeated under its own id


async def test_with_too_much_waiting_nothing_more_is_disclosed_and_nothing_is_forgotten(
    running, permits, consent, monkeypatch
):
    monkeypatch.setattr("services.advis.disclosure.settlements.WAITING_MAX", 3)
    consent.away = True
    uses = [use() for _ in range(3)]
    running.add(uses, Reach.UNKNOWN)
    with pytest.raises(ConsentUnavailableError):
        await permits.acquire([uses[0].notification], Question("inbox", ACTOR))
    assert "/v1/permits:acquire" not in consent.calls
    consent.away = False
    assert await running.finish(5)
    assert consent.settled.keys() == {one.permit_id for one in uses}
    await permits.acquire([uses[0].notification], Question("inbox", ACTOR))
    assert "/v1/permits:acquire" in consent.calls
