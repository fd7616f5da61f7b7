"""Which numbers of a lane have come, and which are missing (audit.md §3.8, fence.md §4).

1. A lane's numbers begin at 1. A number that has come before is a redelivery: dropped, never an entry twice.
2. A number beyond the next one leaves a hole. Partitions interleave and retries overtake, so a hole has a grace.
3. A hole older than its grace is reported as a gap, once: as an entry of its own, never healed in silence.
4. A late number shrinks its hole. When nothing of a reported gap is missing any more, the gap is closed, once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

Range = tuple[int, int]  # first and last number, both included


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers `first` to `last` are missing since `since` (aware). `gap`: the reported gap that they belong to."""

    first: int
    last: int
    since: datetime
    gap: Range | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A lane's state: the highest number that has come, and the holes below it in order."""

    highest: int = 0
    holes: tuple[Hole, ...] = ()


@dataclass(frozen=True, slots=True)
class Admission:
    """What one number did. `closed`: the gap of which it was the last missing number."""

    mark: Mark
    new: bool
    closed: Range | None = None


def admit(mark: Mark, number: int, now: datetime) -> Admission:
    """Take `number` (≥ 1) into account. Raises ValueError for one below 1."""
    if number < 1:
        raise ValueError("numbers begin at 1")
    if number > mark.highest:
        passed = (Hole(mark.highest + 1, number - 1, now),) if number > mark.highest + 1 else ()
        return Admission(Mark(number, mark.holes + passed), new=True)
    for at, hole in enumerate(mark.holes):
        if hole.first <= number <= hole.last:
            return _fill(mark, at, number)
    return Admission(mark, new=False)


def report(mark: Mark, now: datetime, grace: timedelta) -> tuple[Mark, tuple[Range, ...]]:
    """Report the holes that are older than `grace`. Returns the new state and the gaps opened by it."""
    due = [hole for hole in mark.holes if hole.gap is None and now - hole.since >= grace]
    if not due:
        return mark, ()
    holes = tuple(replace(hole, gap=(hole.first, hole.last)) if hole in due else hole for hole in mark.holes)
    return replace(mark, holes=holes), tuple((hole.first, hole.last) for hole in due)


def _fill(mark: Mark, at: int, number: int) -> Admission:
    hole = mark.holes[at]
    left = (replace(hole, last=number - 1),) if number > hole.first else ()
    right = (replace(hole, first=number + 1),) if number < hole.last else ()
    holes = (*mark.holes[:at], *left, *right, *mark.holes[at + 1 :])
    whole = hole.gap is not None and all(other.gap != hole.gap for other in holes)
    return Admission(Mark(mark.highest, holes), new=True, closed=hole.gap if whole else None)
