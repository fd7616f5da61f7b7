"""Gaps are data: opened after a grace, closed by the last late arrival, each once; broken entries keep the count."""

import asyncio
import hashlib
import json
from datetime import timedelta

import pytest

from libs.common.bus.port import PoisonRecordError
from libs.common.database.database import Database, clock
from services.audit.completeness.worker import GapWatch
from services.audit.keys.vault import Vault
from services.audit.log.append import report_gaps
from services.audit.log.consumer import EntryHandler
from services.audit.log.maker import LeafMaker
from tests.audit.world.records import a_delivery, an_entry, ingest, leaves, numbers, require_whole, rows
from tests.hostile import NUMBER
from tests.operator import opened_row, reason_in, said_in

LATER = timedelta(hours=1)


async def look(database: Database, maker: LeafMaker, grace: timedelta = timedelta(seconds=30)) -> int:
    """As if the grace had passed."""
    async with database.write() as session:
        now = await clock(session) + (LATER if grace else timedelta())
        return await report_gaps(session, maker=maker, now=now, grace=grace)


def gap_leaves(found: list[dict[str, object]], kind: str) -> list[object]:
    return [leaf["gap"] for leaf in found if leaf["type"] == kind]


def a_gap(first: int, last: int) -> dict[str, object]:
    return {"producer": "consent", "generation": 1, "lane": 3, "first": first, "last": last}


async def test_a_hole_becomes_a_gap_leaf_after_its_grace_and_only_once(
    handler: EntryHandler, database: Database, maker: LeafMaker
) -> None:
    await ingest(handler, database, [a_delivery(1), a_delivery(5)])
    watch = GapWatch(database, maker, grace_s=3600, poll_s=1)
    assert await watch.look_once() == 0
    assert await look(database, maker) == 1
    assert await look(database, maker) == 0
    assert gap_leaves(await require_whole(database), "gap.opened") == [a_gap(2, 4)]


async def test_late_arrivals_close_the_gap_with_the_last_of_them(
    handler: EntryHandler, database: Database, maker: LeafMaker
) -> None:
    await ingest(handler, database, [a_delivery(1), a_delivery(4)])
    await look(database, maker)
    await ingest(handler, database, [a_delivery(3)])
    assert gap_leaves(await leaves(database), "gap.closed") == []
    await ingest(handler, database, [a_delivery(2), a_delivery(3)])
    found = await require_whole(database)
    assert gap_leaves(found, "gap.closed") == [a_gap(2, 3)]
    assert sorted(numbers(found)) == [1, 2, 3, 4]
    await ingest(handler, database, [a_delivery(2)])
    assert len(await leaves(database)) == len(found)


async def test_a_late_arrival_within_the_grace_is_no_gap(
    handler: EntryHandler, database: Database, maker: LeafMaker
) -> None:
    await ingest(handler, database, [a_delivery(1), a_delivery(3)])
    await ingest(handler, database, [a_delivery(2)])
    assert await look(database, maker) == 0
    assert len(await require_whole(database)) == 3


async def test_watchers_that_look_at_once_report_a_gap_once(
    handler: EntryHandler, database: Database, maker: LeafMaker
) -> None:
    await ingest(handler, database, [a_delivery(2), a_delivery(2, lane=4)])
    assert sum(await asyncio.gather(*(look(database, maker) for _ in range(4)))) == 2
    assert len(gap_leaves(await require_whole(database), "gap.opened")) == 2


async def test_a_broken_entry_keeps_its_number_and_commits_to_what_came(
    handler: EntryHandler, database: Database, maker: LeafMaker, vault: Vault
) -> None:
    broken = b'{"type": "not an entry"}'
    await ingest(handler, database, [a_delivery(1), a_delivery(2, broken), a_delivery(3)])
    found = await require_whole(database)
    assert numbers(found) == [1, 2, 3]
    assert (found[1]["type"], found[1]["outcome"]) == ("event.rejected", "failure")
    assert set(found[1]["sd"]) == {"actor", "objects", "reason"}
    digest = hashlib.sha256(broken).hexdigest()
    assert digest not in json.dumps(found)
    assert await look(database, maker) == 0
    (row,) = await rows(database, "SELECT topic, key, payload, headers FROM outbox")
    assert (row.topic, opened_row(row).value) == ("audit.entries.dead-letter", broken)
    said = said_in(row)  # the same form as every other service's
    assert (said.reason, said.service, said.place) == ("not_an_entry", "audit", ("audit.entries", 0, 2))


async def test_a_broken_entry_that_is_redelivered_is_parked_once(handler: EntryHandler, database: Database) -> None:
    for _ in range(2):
        await ingest(handler, database, [a_delivery(1, b"{")])
    assert len(await rows(database, "SELECT 1 FROM outbox")) == 1


def changed(**fields: object) -> bytes:
    """An entry as a writer would make it that does not keep to the shape."""
    return json.dumps(json.loads(an_entry().model_dump_json()) | fields).encode()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"\xff\xfe", "not_an_entry"),
        (b"[]", "not_an_entry"),
        (b" " * 65_537, "too_large"),
        (an_entry(reason="e\u0301").model_dump_json().encode(), "outside_profile"),
        (an_entry(objects={"æ": "x"}).model_dump_json().encode(), "outside_profile"),
        (an_entry(actor="").model_dump_json().encode(), "no_actor"),
        (an_entry(objects={"event_id": f"evt{NUMBER}"}).model_dump_json().encode(), "personal_number"),
        (an_entry(correlation_id=f"ref{NUMBER}").model_dump_json().encode(), "personal_number"),
        (changed(purposes=["A"] * 51), "not_an_entry"),
        (changed(actor="a\x00b"), "not_an_entry"),
        (changed(objects={"event_id": "a\nb"}), "not_an_entry"),
    ],
    ids=[
        "bytes",
        "list",
        "large",
        "not nfc",
        "member name",
        "no actor",
        "number",
        "number in the correlation",
        "purposes",
        "control character",
        "line feed",
    ],
)
async def test_what_is_wrong_with_an_entry_is_a_code(
    handler: EntryHandler, database: Database, value: bytes, code: str
) -> None:
    await ingest(handler, database, [a_delivery(1, value)])
    (row,) = await rows(database, "SELECT topic, key, headers, payload FROM outbox")
    assert reason_in(row) == code
    assert [leaf["type"] for leaf in await require_whole(database)] == ["event.rejected"]


WHOLE = {"ce_producer": "consent", "ce_generation": "1", "ce_lane": "3", "ce_number": "1"}


@pytest.mark.parametrize(
    "changed",
    [
        {"ce_number": "0"},
        {"ce_number": "-1"},
        {"ce_number": "9007199254740992"},
        {"ce_number": "1.0"},
        {"ce_number": "٣"},
        {"ce_lane": "16"},
        {"ce_generation": "0"},
        {"ce_producer": "audit-log"},
        {"ce_producer": "Consent"},
        {"ce_producer": ""},
    ],
    ids=str,
)
async def test_a_record_without_a_whole_number_is_poison_and_no_leaf(
    handler: EntryHandler, database: Database, changed: dict[str, str]
) -> None:
    await ingest(handler, database, [a_delivery(1, headers=WHOLE)])
    with pytest.raises(PoisonRecordError, match="not_numbered"):
        await handler.prepare([a_delivery(2, headers=WHOLE | changed)])
    for missing in WHOLE:
        with pytest.raises(PoisonRecordError, match="not_numbered"):
            await handler.prepare([a_delivery(2, headers={k: v for k, v in WHOLE.items() if k != missing})])
    assert len(await require_whole(database)) == 1
