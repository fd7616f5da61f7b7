"""Which numbers of a lane have come, and which are missing (P8).

1. A lane's numbers begin at 1. A number that has come before is a redelivery: dropped, never an entry twice.
2. A number beyond the next one leaves a hole. Partitions interleave and retries overtake, so a hole has a grace.
3. A hole older than its grace is reported as a gap, once: as an entry of its own, never healed in silence.
4. A late number shrinks its hole. When nothing of a reported gap is missing any more, the gap is closed, once.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

Range = tuple[int, int]  # first and last number, both included


class Hole(NamedTuple):
    """Numbers `first` to `last` are missing since `since` (aware). `gap`: the reported gap that they belong to."""

    first: int
    last: int
    since: datetime
    gap: Range | None = None


class Mark(NamedTuple):
    """A lane's state: the highest number that has come, and the holes below it in order."""

    highest: int = 0
    holes: tuple[Hole, ...] = ()


class Admission(NamedTuple):
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
    holes = tuple(hole._replace(gap=(hole.first, hole.last)) if hole in due else hole for hole in mark.holes)
    return mark._replace(holes=holes), tuple((hole.first, hole.last) for hole in due)


def _fill(mark: Mark, at: int, number: int) -> Admission:
    hole = mark.holes[at]
    left = (hole._replace(last=number - 1),) if number > hole.first else ()
    right = (hole._replace(first=number + 1),) if number < hole.last else ()
    holes = (*mark.holes[:at], *left, *right, *mark.holes[at + 1 :])
    whole = hole.gap is not None and all(other.gap != hole.gap for other in holes)
    return Admission(Mark(mark.highest, holes), new=True, closed=hole.gap if whole else None)
