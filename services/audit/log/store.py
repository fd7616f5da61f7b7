"""Appending: the head, the compare-and-swap on it, and everything that goes in with a batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from libs.common.database.database import Session, WriteSession, driver
from services.audit.log.maker import Leaf
from services.audit.log.numbering import Hole, Mark
from services.audit.tree.tree import SUBTREE_HEIGHT, Frontier, Node

Lane = tuple[str, int, int]  # producer, generation, lane

# One sequencer at a time gets this far, in order of arrival, so that none hashes for a head that is about to move.
# It saves work; the claim below is what is safe, with or without it.
_QUEUE = "SELECT pg_advisory_xact_lock(6962)"
_HEAD = "SELECT tree_size, frontier FROM batch ORDER BY tree_size DESC LIMIT 1"
# Whoever inserts second waits for the first to commit, and then has nothing to insert.
_CLAIM = (
    "INSERT INTO batch (tree_size, prev_size, root, frontier, recorded_at) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT DO NOTHING"
)
_MARKS = (
    "SELECT l.producer, l.generation, l.lane, w.highest, w.holes"
    " FROM unnest($1::text[], $2::bigint[], $3::smallint[]) AS l (producer, generation, lane)"
    " CROSS JOIN LATERAL (SELECT highest, holes FROM watermark w WHERE (w.producer, w.generation, w.lane)"
    " = (l.producer, l.generation, l.lane) ORDER BY tree_size DESC LIMIT 1) AS w"
)
_ALL_LANES = """
WITH RECURSIVE lanes AS (
  (SELECT producer, generation, lane FROM watermark ORDER BY 1, 2, 3 LIMIT 1)
  UNION ALL
  SELECT n.producer, n.generation, n.lane FROM lanes l CROSS JOIN LATERAL (
    SELECT w.producer, w.generation, w.lane FROM watermark w
    WHERE (w.producer, w.generation, w.lane) > (l.producer, l.generation, l.lane) ORDER BY 1, 2, 3 LIMIT 1) AS n
)
SELECT producer, generation, lane FROM lanes
"""
_LEAF_COLUMNS = (
    "leaf_index", "leaf_hash", "body", "type", "occurred_at", "producer", "generation", "lane", "number"
)  # fmt: skip


async def queue_for_head(session: WriteSession) -> None:
    """Wait for the sequencers that came before. Until the transaction ends."""
    await session.exec_driver_sql(_QUEUE)


async def load_head(session: Session) -> Frontier:
    """The newest tree. Read it before the marks: marks that are newer than the head lose the claim, never win it."""
    row = (await session.exec_driver_sql(_HEAD)).one()
    return Frontier(row.tree_size, tuple(row.frontier))


async def claim_head(session: WriteSession, old_size: int, new: Frontier, recorded_at: datetime) -> bool:
    """Make `new` the head if `old_size` still is it. False: another sequencer was first."""
    claimed = await session.exec_driver_sql(_CLAIM, (new.size, old_size, new.root, list(new.peaks), recorded_at))
    return claimed.rowcount == 1


async def load_marks(session: Session, lanes: Collection[Lane]) -> dict[Lane, Mark]:
    """The state of each of `lanes`; one that never had a number has an empty mark."""
    ordered = sorted(lanes)
    columns = tuple(list(column) for column in zip(*ordered, strict=True)) if ordered else ([], [], [])
    rows = await session.exec_driver_sql(_MARKS, columns)
    found = {(row.producer, row.generation, row.lane): _mark(row) for row in rows}
    return {lane: found.get(lane, Mark()) for lane in ordered}


async def load_lanes(session: Session) -> list[Lane]:
    """Every lane that ever had a number; one index probe each."""
    rows = await session.exec_driver_sql(_ALL_LANES)
    return [(row.producer, row.generation, row.lane) for row in rows]


async def write_leaves(session: WriteSession, first_index: int, leaves: Sequence[Leaf]) -> None:
    """The leaves from `first_index` on, and their openings."""
    copy = driver(session).copy_records_to_table
    await copy(
        "leaf",
        records=[(first_index + at, *_leaf_row(leaf)) for at, leaf in enumerate(leaves)],
        columns=_LEAF_COLUMNS,
    )
    openings = [
        (sealed.ref, first_index + at, sealed.nonce, sealed.ciphertext)
        for at, leaf in enumerate(leaves)
        for sealed in leaf.openings
    ]
    if openings:
        await copy("opening", records=openings, columns=("subject_ref", "leaf_index", "nonce", "ct"))


async def write_subtrees(session: WriteSession, closed: Mapping[Node, bytes]) -> None:
    """The complete subtrees that a batch closed."""
    records = [(height // SUBTREE_HEIGHT, position, root) for (height, position), root in closed.items()]
    if records:
        await driver(session).copy_records_to_table("subtree", records=records, columns=("level", "position", "root"))


async def write_marks(session: WriteSession, tree_size: int, marks: Mapping[Lane, Mark]) -> None:
    """The lanes' states as of the batch that ends at `tree_size`."""
    records = [(*lane, tree_size, mark.highest, _holes(mark.holes)) for lane, mark in marks.items()]
    if records:
        await driver(session).copy_records_to_table(
            "watermark",
            records=records,
            columns=("producer", "generation", "lane", "tree_size", "highest", "holes"),
        )


def _leaf_row(leaf: Leaf) -> tuple[Any, ...]:
    numbered = leaf.numbered
    numbers = (numbered.generation, numbered.lane, numbered.number) if numbered else (None, None, None)
    return (leaf.leaf_hash, leaf.body, leaf.type, leaf.occurred_at, leaf.producer, *numbers)


def _holes(holes: Iterable[Hole]) -> str:
    return orjson.dumps(
        [{"first": h.first, "last": h.last, "since": h.since.isoformat(), "gap": h.gap} for h in holes]
    ).decode()


def _mark(row: Any) -> Mark:
    stored = orjson.loads(row.holes) if isinstance(row.holes, str) else row.holes
    holes = tuple(
        Hole(h["first"], h["last"], datetime.fromisoformat(h["since"]), h["gap"] and (h["gap"][0], h["gap"][1]))
        for h in stored
    )
    return Mark(row.highest, holes)
