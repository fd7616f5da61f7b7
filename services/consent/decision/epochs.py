"""The fence's rules as values (`docs/fence.md`); everything that waits or locks lives elsewhere.

1. A scope is (citizen, purpose, recipient unit). No scope row means no.
2. A scope's epoch grows by one at every change to anything in it. Its high part is the database's generation, which an
   operator raises after commits may have been lost; an epoch of an older generation, or one that the scope has not
   reached, is refused.
3. A (holder unit, category) is covered without a break since the epoch at which its decision last turned yes. A change
   keeps that epoch only where the decision is yes immediately before *and* immediately after it.
4. What arrived at epoch `e` may be disclosed when its coverage began at or before `e`. Requiring equality instead
   would make every renewal a break.
5. A lease says how long a holder may wait before it sends. It is never the reason that a permit ends.
6. A holder is ordered fenced once a permit of its has outlived lease and margin; that it is dead takes a proof.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

COUNTER_BITS = 40  # an epoch is generation << COUNTER_BITS | counter: 2**40 changes to one scope in one generation


class Pair(NamedTuple):
    """What coverage is kept for, inside one scope."""

    holder_unit: str
    category: str


class PermitState(StrEnum):
    """`settled` and `dead` are final: an id that has reached either is never granted (`docs/fence.md`, settle)."""

    OPEN = "open"
    SETTLED = "settled"
    DEAD = "dead"


PERMIT_TRANSITIONS: Mapping[PermitState, frozenset[PermitState]] = {
    PermitState.OPEN: frozenset({PermitState.SETTLED, PermitState.DEAD}),
    PermitState.SETTLED: frozenset(),
    PermitState.DEAD: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open permit that a withdrawal waits for. `lease_until` is by the database's clock."""

    permit_id: UUID
    holder_id: UUID
    lease_until: datetime


def floor_of(generation: int) -> int:
    """The lowest epoch of a generation: what a scope that has not changed in it counts as."""
    return generation << COUNTER_BITS


def current_epoch(stored: int, generation: int) -> int:
    """A scope's epoch now. One stored under an older generation counts as the start of this one."""
    return max(stored, floor_of(generation))


def next_epoch(stored: int, generation: int) -> int:
    """The epoch after a change: greater than every epoch that was ever current for the scope."""
    return current_epoch(stored, generation) + 1


def broken(before: Collection[Pair], after: Collection[Pair], known: Collection[Pair]) -> set[Pair]:
    """The pairs whose coverage starts anew with a change: every known one that is not yes both before and after it.

    `before` and `after` hold the pairs whose decision is yes; `known` every pair that has ever mattered in the scope.
    The others keep the epoch they have, which is what makes a renewal or a narrowing no break (P3).
    """
    return {*before, *after, *known} - (set(before) & set(after))


def is_covered(since: int | None, *, arrived: int, current: int, generation: int) -> bool:
    """May what arrived at epoch `arrived` still be disclosed, as far as epochs can say?

    `since`: where the unbroken coverage began, None when there never was any. `current`: the scope's epoch now.
    """
    if since is None or arrived < floor_of(generation):
        return False
    return since <= arrived <= current


def lease_ms(now: datetime, *, longest_ms: int, ends_at: Collection[datetime | None]) -> int:
    """How long a permit granted at `now` may be waited with: `longest_ms`, or until what it rests on ends if sooner.

    Whole milliseconds, rounded down; 0 or less when something has ended already. None in `ends_at` means no end.
    """
    remaining = ((end - now) // timedelta(milliseconds=1) for end in ends_at if end is not None)
    return min([longest_ms, *remaining])


def overdue_holders(waiting: Collection[Waiting], *, now: datetime, margin_ms: int) -> list[UUID]:
    """The holders to be fenced: those of permits older than their lease and the margin, each once, sorted."""
    limit = now - timedelta(milliseconds=margin_ms)
    return sorted({permit.holder_id for permit in waiting if permit.lease_until < limit})


def next_pause_ms(previous_ms: int, *, shortest_ms: int, longest_ms: int) -> int:
    """How long a drain pauses before it looks again: doubling from the shortest to the longest. 0 starts."""
    return min(longest_ms, max(shortest_ms, previous_ms * 2))
