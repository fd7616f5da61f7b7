"""Appending: one linear history whoever appends, each number once, and nothing half done."""

import asyncio
from random import Random

import pytest

from libs.common.bus.port import Delivery, NotYetError
from libs.common.database.database import Database
from services.audit.keys.keyring import Keyring
from services.audit.keys.vault import Vault
from services.audit.log import append
from services.audit.log import store as log_store
from services.audit.log.consumer import EntryHandler
from services.audit.log.maker import LeafMaker
from services.audit.tree.tree import leaf_hash
from tests.audit.world.records import NOW, a_delivery, an_entry, ingest, numbers, require_whole, rows
from tests.operator import opened_row, parking, reason_in
from tests.servers import Postgres, TestDatabase


async def test_entries_become_leaves_in_order_and_the_root_is_theirs(handler: EntryHandler, database: Database) -> None:
    await ingest(handler, database, [a_delivery(n) for n in range(1, 4)])
    await ingest(handler, database, [a_delivery(n) for n in range(4, 9)])
    assert numbers(await require_whole(database)) == list(range(1, 9))


async def test_a_redelivered_batch_changes_nothing(handler: EntryHandler, database: Database) -> None:
    records = [a_delivery(n) for n in range(1, 6)]
    await ingest(handler, database, records)
    await ingest(handler, database, records)
    await ingest(handler, database, [*records, a_delivery(6), a_delivery(6)])
    assert numbers(await require_whole(database)) == list(range(1, 7))
    assert len(await rows(database, "SELECT 1 FROM batch")) == 3  # the empty tree, and one per batch that added


async def test_a_number_given_twice_is_parked_and_not_dropped_in_silence(
    handler: EntryHandler, database: Database
) -> None:
    """A producer whose counters went back, as after a restored backup without a new generation."""
    first, other = an_entry(), an_entry()
    await ingest(handler, database, [a_delivery(1, first), a_delivery(2, b"{")])
    await ingest(handler, database, [a_delivery(1, first), a_delivery(1, other, offset=9), a_delivery(2, b"{")])
    await ingest(handler, database, [a_delivery(2, other, offset=10), a_delivery(3), a_delivery(3, other)])
    parked = [
        opened_row(row).value
        for row in await rows(database, "SELECT topic, key, payload, headers FROM outbox ORDER BY id")
        if reason_in(row) == "number_reused"
    ]
    value = a_delivery(1, other).value
    assert parked == [value, value, value]
    assert numbers(await require_whole(database)) == [1, 2, 3]


async def test_lanes_generations_and_producers_are_numbered_apart(handler: EntryHandler, database: Database) -> None:
    records = [a_delivery(1), a_delivery(1, lane=4), a_delivery(1, generation=2), a_delivery(1, producer="advis")]
    await ingest(handler, database, records)
    assert len(await require_whole(database)) == 4


async def test_a_batch_that_is_rolled_back_leaves_nothing(handler: EntryHandler, database: Database) -> None:
    records = [a_delivery(1)]
    prepared = await handler.prepare(records)

    async def crash() -> None:
        async with database.write() as session:
            await handler.handle(session, records, prepared)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        await crash()
    for table in ("leaf", "opening", "watermark"):
        assert await rows(database, f"SELECT 1 FROM {table}") == []
    await ingest(handler, database, records)
    assert numbers(await require_whole(database)) == [1]


async def until_taken(sequencer: EntryHandler, database: Database, deliveries: list[Delivery]) -> None:
    """As the consumer does with whoever lost every bounded try: deliver the same records again."""
    while True:
        try:
            return await ingest(sequencer, database, deliveries)
        except append.HeadContendedError:
            await asyncio.sleep(0)


async def test_competing_sequencers_make_one_history(database: Database, maker: LeafMaker, vault: Vault) -> None:
    sequencers = [EntryHandler(database, maker, Keyring(vault), parking("audit")) for _ in range(4)]

    async def feed(sequencer: EntryHandler, lane: int) -> None:
        for first in range(1, 31, 3):
            await until_taken(sequencer, database, [a_delivery(n, lane=lane) for n in range(first, first + 3)])

    await asyncio.gather(*(feed(sequencer, lane) for lane, sequencer in enumerate(sequencers)))
    found = await require_whole(database)
    assert len(found) == 4 * 30
    for lane in range(4):
        assert numbers(found, lane=lane) == list(range(1, 31))


async def test_sequencers_that_are_given_the_same_records_append_each_once(
    database: Database, maker: LeafMaker, vault: Vault
) -> None:
    sequencers = [EntryHandler(database, maker, Keyring(vault), parking("audit")) for _ in range(3)]
    records = [a_delivery(n) for n in range(1, 41)]

    async def feed(sequencer: EntryHandler, seed: int) -> None:
        rest = Random(seed)
        at = 0
        while at < len(records):
            step = rest.randint(1, 5)
            await until_taken(sequencer, database, records[at : at + step])
            at += step

    await asyncio.gather(*(feed(sequencer, seed) for seed, sequencer in enumerate(sequencers)))
    assert numbers(await require_whole(database)) == list(range(1, 41))


async def test_of_two_who_saw_the_same_head_one_wins_and_the_other_learns_it(database: Database) -> None:
    """Without the queue that saves work: the claim alone keeps one history."""
    entered = asyncio.Barrier(2)

    async def claim(body: bytes) -> bool:
        async with database.write() as session:
            head = await log_store.load_head(session)
            await entered.wait()
            new, _ = head.extend([leaf_hash(body)])
            return await log_store.claim_head(session, head.size, new, NOW)

    assert sorted(await asyncio.gather(claim(b"a"), claim(b"b"))) == [False, True]
    assert len(await rows(database, "SELECT 1 FROM batch")) == 2


async def test_without_the_queue_competing_sequencers_still_make_one_history(
    database: Database, maker: LeafMaker, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "_QUEUE", "SELECT 1")
    await test_competing_sequencers_make_one_history(database, maker, vault)


async def test_who_loses_every_race_gives_up_after_a_bounded_number_of_tries(
    handler: EntryHandler, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await handler.prepare([a_delivery(1)])
    tries = 0

    async def always_lost(*_: object) -> bool:
        nonlocal tries
        tries += 1
        return False

    monkeypatch.setattr(append.log_store, "claim_head", always_lost)
    with pytest.raises(append.HeadContendedError):
        async with database.write() as session:
            await handler.handle(session, [a_delivery(1)], prepared)
    assert tries == append.CLAIM_ATTEMPTS_MAX


async def test_a_person_who_was_erased_after_the_key_was_cached_gets_a_new_key(
    handler: EntryHandler, database: Database, audit_database: TestDatabase, postgres: Postgres
) -> None:
    await ingest(handler, database, [a_delivery(1)])
    postgres.execute("DELETE FROM opening", "DELETE FROM subject_key", database=audit_database.name)
    with pytest.raises(NotYetError):
        await ingest(handler, database, [a_delivery(2)])
    await ingest(handler, database, [a_delivery(2)])
    assert numbers(await require_whole(database)) == [1, 2]


async def test_a_person_has_one_key_whoever_makes_it_first(database: Database, maker: LeafMaker, vault: Vault) -> None:
    sequencers = [EntryHandler(database, maker, Keyring(vault), parking("audit")) for _ in range(4)]
    entry = an_entry()
    await asyncio.gather(*(s.prepare([a_delivery(1, entry, lane=lane)]) for lane, s in enumerate(sequencers)))
    assert len(await rows(database, "SELECT 1 FROM subject_key")) == 2  # the citizen and the member of staff
