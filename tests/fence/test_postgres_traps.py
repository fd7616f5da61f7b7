"""PostgreSQL's traps, each shown on the real server, and that our statements are not in it (`docs/fence.md`).

Where our own code is held in the same interleaving, the test stands elsewhere: `tests/consent/fence/test_races.py`
(acquire, withdraw, death and settle behind each other, the clock after a wait, orders beside a lock),
`tests/consent/fence/test_acquire.py` (another isolation, or an epoch of an older generation, is refused) and
`tests/common/database/test_database.py` (timeouts, a paused transaction, a cancelled caller).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.common.database.database import CommitUncertainError, WriteSession, session_settings
from libs.common.wire.permits import Revealed
from services.consent.consents.consent import Consent
from services.consent.drains import store as drains_store
from services.consent.fence import holders_store, permits, permits_store
from services.consent.withdrawals import commands as withdrawals_commands
from tests.consent.world.fence_world import FAMILY, FAMILY_EVENT, World, an_item
from tests.fence.stepping import Stage, stepped
from tests.servers import Postgres, TestDatabase

LOCK_SCOPE = "SELECT epoch FROM scope WHERE borger_id = $1 FOR UPDATE"
OPEN = "SELECT count(*) FROM permit_scope WHERE borger_id = $1"
STATE = "SELECT s.epoch, c.status FROM scope s JOIN consent c USING (borger_id) WHERE s.borger_id = $1"
TRANSACTION_TIME = re.compile(r"\b(now\(\)|current_timestamp|localtimestamp|transaction_timestamp)", re.IGNORECASE)


@asynccontextmanager
async def plain(world: World) -> AsyncIterator[asyncpg.Connection]:
    """A session with the server's defaults, as the runtime role."""
    session = await asyncpg.connect(world.url.replace("+asyncpg", ""))
    try:
        yield session
    finally:
        session.terminate()


async def consenting(world: World) -> tuple[UUID, Consent, UUID]:
    """A citizen, what they consented to, and a holder."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    return borger_id, await world.grant(borger_id), holder_id


def withdrawing(world: World, consent: Consent) -> Callable[[WriteSession], Awaitable[Any]]:
    request = world.request(consent.borger_id)
    return lambda s: withdrawals_commands.withdraw_consent(s, world.signer, request, consent.consent_id)


async def statements(world: World, work: Callable[[WriteSession], Awaitable[Any]]) -> list[str]:
    """What one of our transactions sends, in order, from BEGIN to COMMIT."""
    database = await stepped(world.url)
    async with plain(world) as watcher:
        actor = await Stage(database, watcher).write("read along", work)
        sent = []
        while not actor.ended:
            sent.append(" ".join(actor.at.split()))
            actor.go()
            while not actor.stands:
                await actor.settled(1)
    actor.task.result()
    await database.close()
    return sent


def only(sent: list[str], pattern: str) -> int:
    """Where the one statement that matches stands."""
    found = [number for number, statement in enumerate(sent) if re.search(pattern, statement)]
    assert len(found) == 1, f"{pattern} stands there {len(found)} times"
    return found[0]


async def test_locking_and_reading_in_one_statement_reads_the_new_epoch_with_the_old_state(world: World) -> None:
    borger_id, consent, _ = await consenting(world)
    before = await world.epoch(borger_id)
    async with plain(world) as session, session.transaction():
        async with world.uncommitted(withdrawing(world, consent)):
            reading = asyncio.create_task(session.fetchrow(f"{STATE} FOR UPDATE OF s", borger_id))
            await world.until_waiting(reading)
        assert tuple(await reading) == (before + 1, "active"), "the trap is gone"
        assert tuple(await session.fetchrow(STATE, borger_id)) == (before + 1, "withdrawn")


async def test_acquire_locks_holder_then_scopes_and_reads_the_state_after_both(world: World) -> None:
    borger_id, _, holder_id = await consenting(world)
    item = await world.item(borger_id)
    sent = await statements(world, lambda s: permits.acquire(s, holder_id, [item], longest_ms=5_000))
    holder, scopes = only(sent, r"FROM holder .* FOR SHARE"), only(sent, r"FROM scope s .* FOR UPDATE OF s")
    state, written = only(sent, "FROM catalogue_revision"), only(sent, r"INSERT INTO permit \(")
    assert holder < scopes < only(sent, r"LEFT JOIN permit p") < state < written < len(sent) - 1
    assert not re.search(r"consent|coverage|refusal|citizen|permit", sent[scopes]), "the lock reads what it waits for"
    assert [number for number, statement in enumerate(sent) if "FOR SHARE" in statement] == [holder]


@pytest.mark.parametrize("who", ["mother", "child"])
async def test_a_family_event_waits_for_either_ones_scope(world: World, who: str) -> None:
    """Read without its lock, a scope could be withdrawn and drained before the permit that reveals it is seen."""
    holder_unit, recipient, purpose = FAMILY
    units = {"holder_unit": holder_unit, "recipient_unit": recipient, "purpose": purpose}
    mother, holder_id = await world.citizen(), await world.holder()
    child = await world.citizen(age=8, parents=[mother])
    await world.grant(mother, categories={"SAGSEKSISTENS"}, **units)
    await world.grant(child, categories={"BARN_SAG"}, givers=(mother,), **units)
    told = [
        Revealed(borger_id=borger_id, category=category, epoch=await world.epoch(borger_id, purpose, recipient))
        for borger_id, category in ((child, "BARN_SAG"), (mother, "SAGSEKSISTENS"))
    ]
    item = an_item(*told, event_type=FAMILY_EVENT, **units)
    async with plain(world) as session, session.transaction():
        await session.execute(LOCK_SCOPE, {"mother": mother, "child": child}[who])
        acquiring = asyncio.create_task(world.acquire(holder_id, item))
        await world.until_waiting(acquiring)
    assert len(await acquiring) == 1


async def test_withdrawing_and_counting_in_one_statement_misses_the_permit(world: World) -> None:
    borger_id, _, holder_id = await consenting(world)
    item = await world.item(borger_id)
    bump = f"WITH bumped AS (UPDATE scope SET epoch = epoch + 1 WHERE borger_id = $1 RETURNING 1) {OPEN}"
    async with plain(world) as session, session.transaction():
        async with world.uncommitted(lambda s: permits.acquire(s, holder_id, [item], longest_ms=5_000)):
            counting = asyncio.create_task(session.fetchval(f"{bump} AND EXISTS (SELECT 1 FROM bumped)", borger_id))
            await world.until_waiting(counting)
        assert await counting == 0, "the trap is gone"
        assert await session.fetchval(OPEN, borger_id) == 1


async def test_a_withdrawal_counts_nothing_before_it_has_committed(world: World) -> None:
    _, consent, _ = await consenting(world)
    sent = await statements(world, withdrawing(world, consent))
    assert not [statement for statement in sent if re.search(r"\b(permit|permit_scope)\b", statement)]
    lock, change = only(sent[:-1], r"UPDATE consent "), only(sent, r"UPDATE scope s SET epoch")
    assert max(n for n, statement in enumerate(sent) if "FOR UPDATE OF s" in statement) < lock < change


async def test_repeatable_read_misses_the_permit_and_commits(world: World) -> None:
    borger_id, _, holder_id = await consenting(world)
    async with plain(world) as session:
        async with session.transaction(isolation="repeatable_read"):
            await session.fetchval(OPEN, borger_id)
            await world.acquire(holder_id, await world.item(borger_id))
            await session.execute(LOCK_SCOPE, borger_id)  # a row that was only locked raises no conflict
            await session.execute("UPDATE scope SET epoch = epoch + 1 WHERE borger_id = $1", borger_id)
            assert await session.fetchval(OPEN, borger_id) == 0, "the trap is gone"
        assert await session.fetchval(OPEN, borger_id) == 1


async def test_each_look_of_a_drain_sees_what_was_committed_since_the_last(world: World) -> None:
    borger_id, consent, holder_id = await consenting(world)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    withdrawal = await world.withdraw(consent)
    async with world.database.read() as session:
        assert len((await permits_store.read_waiting(session, withdrawal.withdrawal_id))[1]) == 1
        await world.settle(holder_id, item.permit_id)
        assert not (await permits_store.read_waiting(session, withdrawal.withdrawal_id))[1]


async def test_the_time_of_the_transaction_is_from_before_the_wait(world: World) -> None:
    borger_id, consent, _ = await consenting(world)
    async with plain(world) as session, session.transaction():
        async with world.uncommitted(withdrawing(world, consent)) as withdrawal:
            waiting = asyncio.create_task(session.execute(LOCK_SCOPE, borger_id))
            await world.until_waiting(waiting)
            released_at = await world.value("SELECT clock_timestamp()")
        await waiting
        began_at, now = await session.fetchrow("SELECT now(), clock_timestamp()")
    assert began_at < released_at < now, "the trap is gone"
    assert withdrawal.registered_at < released_at


async def test_no_act_of_the_fence_reads_the_time_of_its_transaction(world: World) -> None:
    borger_id, consent, holder_id = await consenting(world)
    item = await world.item(borger_id)
    works = [
        lambda s: permits.acquire(s, holder_id, [item], longest_ms=5_000),
        withdrawing(world, consent),
        lambda s: drains_store.mark_drained(s, holder_id),
    ]
    for work in works:
        assert not [statement for statement in await statements(world, work) if TRANSACTION_TIME.search(statement)]


async def test_share_lockers_overtake_a_waiting_withdrawal_and_exclusive_ones_do_not(world: World) -> None:
    borger_id, _, _ = await consenting(world)
    share = LOCK_SCOPE.replace("UPDATE", "SHARE")
    async with plain(world) as first, plain(world) as second, plain(world) as third:
        for lock, overtakes in ((share, True), (LOCK_SCOPE, False)):
            begun = [session.transaction() for session in (first, second, third)]
            for transaction in begun:
                await transaction.start()
            await first.execute(lock, borger_id)
            withdrawal = asyncio.create_task(second.execute(LOCK_SCOPE, borger_id))
            await world.until_waiting(withdrawal)
            later = asyncio.create_task(third.execute(lock, borger_id))
            if overtakes:
                await later
                assert not withdrawal.done(), "the trap is gone"
                await begun[2].rollback()
            else:
                await world.until_waiting(later, 2)
            await begun[0].rollback()
            await withdrawal
            assert later.done() == overtakes
            await begun[1].rollback()
            await later
        await begun[2].rollback()


async def test_a_write_to_a_share_locked_row_waits_so_orders_are_written_elsewhere(world: World) -> None:
    _, _, holder_id = await consenting(world)
    async with plain(world) as acquirer, acquirer.transaction(), plain(world) as other:
        await acquirer.execute("SELECT 1 FROM holder WHERE holder_id = $1 FOR SHARE", holder_id)
        await other.execute("SET lock_timeout = '20ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other.execute("UPDATE holder SET slot = slot WHERE holder_id = $1", holder_id)
    sent = await statements(world, lambda s: holders_store.order_fence(s, [holder_id], reason="test"))
    assert not [statement for statement in sent if re.search(r"UPDATE holder|FOR (UPDATE|SHARE)", statement)]


async def test_commits_are_synchronous_whatever_the_server_defaults_to(
    world: World, postgres: Postgres, consent_database: TestDatabase
) -> None:
    postgres.execute(f"ALTER DATABASE {consent_database.name} SET synchronous_commit = off")
    async with plain(world) as session:
        assert await session.fetchval("SHOW synchronous_commit") == "off"
    for opened in (world.database.read(), world.database.write()):
        async with opened as session:
            assert (await session.exec_driver_sql("SHOW synchronous_commit")).scalar() == "on"


def test_a_session_whose_client_has_vanished_is_noticed_in_seconds() -> None:
    """Over a local socket the server shows none of these, so it is what we ask for that is held here."""
    asked = session_settings("test")
    idle, interval, count = (int(asked[f"tcp_keepalives_{name}"]) for name in ("idle", "interval", "count"))
    assert 0 < idle + interval * count <= 20


@contextmanager
def missing_standby(postgres: Postgres) -> Iterator[None]:
    """Every commit waits for a standby that is not there."""
    reload = "SELECT pg_reload_conf()"
    postgres.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", reload)
    try:
        yield
    finally:
        postgres.execute("ALTER SYSTEM RESET synchronous_standby_names", reload)


async def until_committing(world: World, work: Callable[[], Awaitable[Any]]) -> "asyncio.Task[Any]":
    """A task whose COMMIT waits for the standby. The server takes a moment to know that it should wait for one."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"
    async with plain(world) as watcher:
        while True:
            task = asyncio.ensure_future(work())
            while not task.done():
                if await watcher.fetchval(query):
                    return task
            task.result()


async def cancel_waiting_commit(world: World) -> None:
    async with plain(world) as watcher:
        await watcher.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


async def test_a_cancelled_commit_reports_success_and_ours_reports_none(world: World, postgres: Postgres) -> None:
    borger_id, consent, _ = await consenting(world)
    bump = "UPDATE scope SET epoch = epoch + 1 WHERE borger_id = $1"
    async with plain(world) as session:
        with missing_standby(postgres):
            committing = await until_committing(world, lambda: session.execute(bump, borger_id))
            await cancel_waiting_commit(world)
            assert await committing == "UPDATE 1", "the trap is gone"
            ours = await until_committing(world, lambda: world.withdraw(consent))
            await cancel_waiting_commit(world)
            with pytest.raises(CommitUncertainError):
                await ours
    assert await world.drained(await world.withdraw(consent))


async def test_a_caller_cancelled_during_commit_hears_no_success_and_the_commit_goes_on(
    world: World, postgres: Postgres
) -> None:
    _, consent, _ = await consenting(world)
    with missing_standby(postgres):
        ours = await until_committing(world, lambda: world.withdraw(consent))
        ours.cancel()
        done, _ = await asyncio.wait({ours}, timeout=0.05)
        assert not done
    with pytest.raises(asyncio.CancelledError):
        await ours
    assert await world.value("SELECT count(*) FROM withdrawal") == 1
    assert await world.drained(await world.withdraw(consent))
