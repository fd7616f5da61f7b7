"""Appending to the log: one transaction each, safe with any number of sequencers at once.

1. Read the head, then the lanes' marks. 2. Drop what came before, note what was passed over. 3. Hash. 4. Claim the
head. 5. Write leaves, openings, subtrees and marks. Who loses the claim begins again at 1 on the new head, a bounded
number of times: nothing was written yet, so there is nothing to undo.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from libs.common.bus.port import NotYetError, OutgoingRecord
from libs.common.consuming.parking import noted
from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import append
from services.audit.leaves.entry import Gap
from services.audit.log import numbering
from services.audit.log import store as log_store
from services.audit.log.maker import Leaf, LeafMaker

CLAIM_ATTEMPTS_MAX = 16

Marks = Mapping[log_store.Lane, numbering.Mark]


class HeadContendedError(NotYetError):
    """Other sequencers won every race; the records are delivered again."""


class Candidate(NamedTuple):
    """A prepared leaf that is appended unless its number has come before. `parked`: goes to the operator with it.

    `identity` tells its entry from every other.
    """

    leaf: Leaf
    identity: str | None = None
    parked: OutgoingRecord | None = None


@dataclass(slots=True)
class Plan:
    """What one batch appends, given the marks it was planned on."""

    leaves: list[Leaf] = field(default_factory=list)
    marks: dict[log_store.Lane, numbering.Mark] = field(default_factory=dict)
    parked: list[OutgoingRecord] = field(default_factory=list)
    again: list[int] = field(default_factory=list)


async def append_entries(
    session: WriteSession, candidates: Sequence[Candidate], *, maker: LeafMaker, now: datetime
) -> list[int]:
    """Append what is new among `candidates`; the places of those that are not. Raises HeadContendedError."""
    lanes = {_lane(candidate.leaf) for candidate in candidates}
    plan = await _append(session, lanes, lambda marks: _admit(candidates, marks, maker, now), now)
    return plan.again


async def report_gaps(session: WriteSession, *, maker: LeafMaker, now: datetime, grace: timedelta) -> int:
    """Append a `gap.opened` for every hole older than `grace`; how many. Raises HeadContendedError."""
    lanes = set(await log_store.load_lanes(session))
    return len((await _append(session, lanes, lambda marks: _report(marks, maker, now, grace), now)).leaves)


async def _append(
    session: WriteSession, lanes: set[log_store.Lane], planned: Callable[[Marks], Plan], now: datetime
) -> Plan:
    await log_store.queue_for_head(session)
    for _ in range(CLAIM_ATTEMPTS_MAX):
        head = await log_store.load_head(session)
        plan = planned(await log_store.load_marks(session, lanes))
        if not plan.leaves:
            return plan
        new, closed = head.extend(leaf.leaf_hash for leaf in plan.leaves)
        if not await log_store.claim_head(session, head.size, new, now):
            continue
        await log_store.write_leaves(session, head.size, plan.leaves)
        await log_store.write_subtrees(session, closed)
        await log_store.write_marks(session, new.size, plan.marks)
        await append(session, plan.parked)
        for letter in plan.parked:
            noted(letter)
        return plan
    raise HeadContendedError


def _admit(candidates: Sequence[Candidate], marks: Marks, maker: LeafMaker, now: datetime) -> Plan:
    plan = Plan()
    closed: list[Gap] = []
    for at, candidate in enumerate(candidates):
        lane = _lane(candidate.leaf)
        assert candidate.leaf.numbered is not None
        admission = numbering.admit(plan.marks.get(lane, marks[lane]), candidate.leaf.numbered.number, now)
        if not admission.new:
            plan.again.append(at)
            continue
        plan.marks[lane] = admission.mark
        plan.leaves.append(candidate.leaf)
        if candidate.parked:
            plan.parked.append(candidate.parked)
        if admission.closed:
            closed.append(Gap(*lane, *admission.closed))
    plan.leaves += maker.gaps("gap.closed", closed, now)
    return plan


def _report(marks: Marks, maker: LeafMaker, now: datetime, grace: timedelta) -> Plan:
    plan = Plan()
    for lane, mark in marks.items():
        changed, opened = numbering.report(mark, now, grace)
        if opened:
            plan.marks[lane] = changed
            plan.leaves += maker.gaps("gap.opened", [Gap(*lane, *missing) for missing in opened], now)
    return plan


def _lane(leaf: Leaf) -> log_store.Lane:
    assert leaf.numbered is not None
    return leaf.numbered.producer, leaf.numbered.generation, leaf.numbered.lane
