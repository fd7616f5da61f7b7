"""The withdrawal race: what every actor did, on one monotonic clock, and the one question asked of it."""

from bisect import bisect_right
from dataclasses import dataclass, field

Read = tuple[float, float, frozenset[str]]  # asked, answered, the citizens that it showed


@dataclass
class History:
    """`closed[k]`: (from the `200` of a withdrawal, to the next grant being sent) of citizen k, in order of time."""

    closed: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    fetches: list[Read] = field(default_factory=list)
    grants: int = 0
    withdrawals: int = 0
    events: int = 0

    @property
    def operations(self) -> int:
        return self.grants + self.withdrawals + self.events + len(self.fetches)

    def inside_closed(self) -> int:
        """How many (fetch, citizen) pairs lay wholly inside a closed interval: what the verdict rests on."""
        return sum(self._within(k, asked, answered) for asked, answered, _ in self.fetches for k in self.closed)

    def violations(self) -> list[tuple[str, float, float]]:
        """Fetches begun after a `200`, and answered before anyone consented anew, that showed the citizen."""
        return [
            (k, asked, answered)
            for asked, answered, shown in self.fetches
            for k in shown
            if self._within(k, asked, answered)
        ]

    def _within(self, k: str, asked: float, answered: float) -> bool:
        intervals = self.closed.get(k, [])
        at = bisect_right(intervals, (asked, float("inf"))) - 1
        return at >= 0 and intervals[at][0] <= asked and answered <= intervals[at][1]
