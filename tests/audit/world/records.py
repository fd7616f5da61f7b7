"""Records as they come from the bus, and the log read back and checked without the service's own tree code."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from libs.cli.verifying.audit_tree import Frontier as OtherTree
from libs.common.bus.port import Delivery
from libs.common.database.database import Database
from libs.common.wire.messages import AUDIT_ENTRIES, AuditEntry
from services.audit.log.consumer import EntryHandler

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
MORTEN = UUID("00000000-0000-4000-8000-000000000001")
HANS = UUID("00000000-0000-4000-8000-000000000002")


def an_entry(**changed: Any) -> AuditEntry:
    facts: dict[str, Any] = {
        "id": uuid4(),
        "type": "disclosure.permitted",
        "action": "R",
        "outcome": "success",
        "occurred_at": NOW,
        "subject": MORTEN,
        "actor": "bif101",
        "actor_role": "caseworker",
        "unit": "BIF-JOBINDSATS",
        "purposes": ("KOORDINERING",),
        "legal_basis": "DATABESKYTTELSE_6_1_A",
        "objects": {"permit_id": "11111111-1111-4111-8111-111111111111"},
        "reason": "consent",
        "correlation_id": "c0ffee00",
    }
    return AuditEntry(**facts | changed)


def a_delivery(
    number: int,
    entry: AuditEntry | bytes | None = None,
    *,
    producer: str = "consent",
    generation: int = 1,
    lane: int = 3,
    offset: int | None = None,
    headers: dict[str, str] | None = None,
) -> Delivery:
    value = entry if isinstance(entry, bytes) else (entry or an_entry()).model_dump_json(exclude_none=True).encode()
    numbering = {"producer": producer, "generation": str(generation), "lane": str(lane), "number": str(number)}
    named = headers if headers is not None else {f"ce_{name}": text for name, text in numbering.items()}
    return Delivery(
        topic=AUDIT_ENTRIES,
        partition=0,
        offset=number if offset is None else offset,
        key=f"{producer}/{lane}",
        headers=tuple((name, text.encode()) for name, text in named.items()),
        value=value,
        timestamp=NOW + timedelta(seconds=1),
    )


async def ingest(handler: EntryHandler, database: Database, deliveries: Sequence[Delivery]) -> None:
    """As the consumer does, without moving a position."""
    prepared = await handler.prepare(deliveries)
    async with database.write() as session:
        await handler.handle(session, deliveries, prepared)


async def rows(database: Database, query: str, *parameters: Any) -> list[Any]:
    async with database.read() as session:
        return list(await session.exec_driver_sql(query, parameters))


async def bodies(database: Database) -> list[bytes]:
    return [row.body for row in await rows(database, "SELECT body FROM leaf ORDER BY leaf_index")]


async def leaves(database: Database) -> list[dict[str, Any]]:
    return [json.loads(body) for body in await bodies(database)]


async def require_whole(database: Database) -> list[dict[str, Any]]:
    """Indices from 0 without a hole, every batch's root that of its leaves, one line of batches; the leaves."""
    stored = await rows(database, "SELECT leaf_index, body FROM leaf ORDER BY leaf_index")
    assert [row.leaf_index for row in stored] == list(range(len(stored)))
    batches = await rows(database, "SELECT tree_size, prev_size, root FROM batch ORDER BY tree_size")
    assert (batches[0].tree_size, batches[0].prev_size) == (0, None)
    tree = OtherTree()
    for before, batch in pairwise(batches):
        assert batch.prev_size == before.tree_size
        for row in stored[before.tree_size : batch.tree_size]:
            tree.append(row.body)
        assert tree.root == batch.root
    assert tree.size == len(stored)
    return [json.loads(row.body) for row in stored]


def numbers(found: Sequence[dict[str, Any]], producer: str = "consent", lane: int = 3) -> list[int]:
    return [leaf["number"] for leaf in found if leaf["producer"] == producer and leaf["lane"] == lane]
