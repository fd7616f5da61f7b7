"""What must be true, in plain Python, told of every commit in the order in which commits happen.

It knows no epoch, no lease and no statement: per (scope, category) it counts the citizen's periods (odd: the answer
is yes), per permit the periods in which it was granted, and per withdrawal the periods that it ended. It is the oracle
of the model (`model.py`), for the code.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from libs.common.wire.permits import PermitItem
from services.consent.model.scope import ScopeKey

Periods = dict[tuple[ScopeKey, str], int]


@dataclass
class ScopeTruth:
    """One scope as the citizen's acts have left it."""

    key: ScopeKey
    consent_id: UUID | None = None
    categories: frozenset[str] = frozenset()
    refusal_id: UUID | None = None
    periods: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)  # the last period of each category that a 200 has ended

    def turned(self) -> dict[str, int]:
        """Count a new period for every answer that has changed. The periods that were a yes and are over."""
        ended = {}
        for category, period in self.periods.items():
            is_yes = category in self.categories and self.refusal_id is None
            if is_yes != bool(period % 2):
                self.periods[category] = period + 1
                if not is_yes:
                    ended[category] = period
        return ended


@dataclass
class Process:
    """One incarnation. `buried`: its death is committed."""

    holder_id: UUID
    runs: bool = True
    buried: bool = False


@dataclass(eq=False)
class Call:
    """One disclosure. `stage`, at its process: asked, granted, written, over or done. `row`: what is committed."""

    item: PermitItem
    process: Process
    arrived: Periods
    stage: str = "asked"
    row: str = ""
    outcome: str = ""
    basis: Periods = field(default_factory=dict)
    ended_at: int = 0

    @property
    def is_open(self) -> bool:
        return self.row == "open"


@dataclass
class Ending:
    """An act that a 200 is owed for. `ended`: per category the period it ended."""

    scope: ScopeTruth
    ended: dict[str, int]
    consent_id: UUID | None = None
    answered: bool = False


@dataclass
class Oracle:
    """All of it, and the promises. `commits` counts what has happened, so that one can say what came before what."""

    scopes: dict[ScopeKey, ScopeTruth]
    calls: list[Call] = field(default_factory=list)
    endings: dict[UUID, Ending] = field(default_factory=dict)
    commits: int = 0

    def periods_of(self, item: PermitItem) -> Periods:
        """The periods now of everything that would be revealed."""
        keys = ((ScopeKey(told.borger_id, item.purpose, item.recipient_unit), told.category) for told in item.reveals)
        return {(key, category): self.scopes[key].periods[category] for key, category in keys}

    def may(self, call: Call) -> bool:
        """Whether a permit asked for now must be granted: yes to all of it, and unbroken since the event arrived."""
        now = self.periods_of(call.item)
        return now == call.arrived and all(period % 2 for period in now.values())

    def acquired(self, calls: Iterable[Call], granted: Collection[UUID], *, began: int) -> None:
        """An acquire has committed, and this was its answer."""
        for call in calls:
            is_granted = call.item.permit_id in granted
            now = self.periods_of(call.item)
            if call.row and call.ended_at > began:
                continue  # it ended while this acquire was on its way: both answers are true
            if call.row:
                assert is_granted == call.is_open, "an id that has ended was granted, or an open one refused"
                continue
            if is_granted:
                assert not call.process.buried, "a dead holder was granted a permit"
                assert all(period % 2 for period in now.values()), "S3: granted without a yes"
                assert now == call.arrived, "granted, though it arrived before a break"
                call.row, call.basis = "open", now
            else:
                assert not self.may(call), "P3: refused, though the yes is unbroken since the event arrived"

    def settled(self, call: Call, outcome: str) -> None:
        """A settle has committed. The first one counts."""
        if call.row in {"", "open"}:
            call.outcome = outcome if call.is_open else ""
            call.row, call.ended_at = "settled", self.commits

    def died(self, process: Process) -> None:
        """A death has committed."""
        assert not process.runs, "a living holder was confirmed dead"
        process.buried = True
        for call in self.calls:
            if call.process is process and call.is_open:
                call.row, call.outcome, call.ended_at = "dead", "unknown", self.commits

    def writes(self, call: Call) -> None:
        """The first byte."""
        for (key, category), period in call.basis.items():
            assert period > self.scopes[key].told.get(category, 0), "S1: disclosed after the 200"

    def answers(self, withdrawal_id: UUID) -> None:
        """The 200."""
        ending = self.endings[withdrawal_id]
        ending.answered = True
        for category, period in ending.ended.items():
            for call in self.calls:
                basis = call.basis.get((ending.scope.key, category), period + 1)
                assert not call.is_open or basis > period, "S4: 200 while an older permit is open"
            ending.scope.told[category] = max(period, ending.scope.told.get(category, 0))
