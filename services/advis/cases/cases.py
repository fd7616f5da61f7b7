"""The case registry: which unit has an open case about whom, under which reference, and who works on it.

It follows three event types per administration: opened, closed, handed over. Rules: a case is drawn from
every step that stands, by the source's time, so neither their order (R45) nor what was taken back since makes a
difference (R18); a reference never changes citizen. An opened or handed-over
case names its caseworker (`case_events.missing_field`): an advis without a reader would be one nobody may see (R15).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.advis.model.errors import CaseOwnerError

BEFORE: Final = "|before"
"""The source of the steps that were reported before steps were kept: no event has that name."""

CaseKey = tuple[str, str]


class Step(StrEnum):
    """What can happen to a case, by the last word of the event type."""

    OPENED = "aabnet"
    CLOSED = "lukket"
    HANDED_OVER = "sagsbehandlerskift"


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One step in one unit's case about `borger_id`; `at` is the source's time of the event.

    `event` names the one that reported it, `corrects` the one that it corrects.
    """

    step: Step
    unit: str
    case_reference: str
    borger_id: UUID
    caseworker: str | None
    at: datetime
    event: tuple[str, str]
    corrects: tuple[str, str] | None = None
    annulled: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A unit's case. `as_of` is the source's time of the newest change that is in it."""

    unit: str
    case_reference: str
    borger_id: UUID
    caseworker: str | None
    opened_at: datetime
    closed_at: datetime | None
    as_of: datetime

    @property
    def unit_key(self) -> tuple[str, str]:
        """What names the case: the unit and its own reference."""
        return self.unit, self.case_reference

    @property
    def is_open(self) -> bool:
        """Whether the unit works on the case now."""
        return self.closed_at is None


def drawn(steps: Iterable[CaseChange]) -> Case | None:
    """The case that follows from its steps, whatever the order in which they were reported; None of no steps.

    Of two at one moment the one that was reported later counts.
    """
    case = None
    for step in sorted(steps, key=lambda one: one.at):
        case = _after(step, case)
    return case


def _after(change: CaseChange, case: Case | None) -> Case:
    if case is None:
        closed_at = change.at if change.step is Step.CLOSED else None
        return Case(
            unit=change.unit,
            case_reference=change.case_reference,
            borger_id=change.borger_id,
            caseworker=change.caseworker,
            opened_at=change.at,
            closed_at=closed_at,
            as_of=change.at,
        )
    changed = replace(case, as_of=change.at, caseworker=change.caseworker or case.caseworker)
    if change.step is Step.OPENED:
        return replace(changed, closed_at=None, opened_at=change.at if case.closed_at else case.opened_at)
    return replace(changed, closed_at=change.at) if change.step is Step.CLOSED else changed


class Registry:
    """The cases that a batch of events touches, as they stand after each event in turn.

    `steps`: what stands of each case, in the order in which it was reported.
    """

    def __init__(self, cases: Mapping[CaseKey, Case], steps: Mapping[CaseKey, Sequence[CaseChange]]) -> None:
        self._cases = dict(cases)
        self._steps = defaultdict(list, {key: list(found) for key, found in steps.items()})
        self._changed: dict[CaseKey, Case] = {}
        self._keys: defaultdict[UUID, set[CaseKey]] = defaultdict(set)
        self.reported: list[CaseChange] = []
        self.taken_back: list[tuple[str, str]] = []
        for key, case in self._cases.items():
            self._keys[case.borger_id].add(key)

    @property
    def changed(self) -> Collection[Case]:
        """The cases that are to be written."""
        return self._changed.values()

    def apply(self, change: CaseChange) -> None:
        """Take one change. Raises CaseOwnerError, and is as it was then."""
        key = (change.unit, change.case_reference)
        known = self._cases.get(key)
        if known is not None and known.borger_id != change.borger_id:
            raise CaseOwnerError(change.case_reference)
        if known is None and change.annulled:
            return
        steps = self._steps[key]
        self._take_back(change, steps)
        if not change.annulled:
            steps.append(change)
            self.reported.append(change)
        self._cases[key] = self._changed[key] = _moved_on(known, drawn(steps), change)
        self._keys[change.borger_id].add(key)

    def _take_back(self, change: CaseChange, steps: list[CaseChange]) -> None:
        """Remove the step that `change` corrects; of what was reported before steps were kept, the one of its kind."""
        if change.corrects is None:
            return
        named = [one for one in steps if one.event == change.corrects]
        before = [one for one in steps if one.event[0] == BEFORE and one.step is change.step]
        for wrong in named or before:
            steps.remove(wrong)
            self.taken_back.append(wrong.event)

    def about(self, citizens: Collection[UUID]) -> list[Case]:
        """Every case about these citizens, open or not."""
        return [self._cases[key] for citizen in citizens for key in self._keys.get(citizen, ())]


def _moved_on(known: Case | None, case: Case | None, change: CaseChange) -> Case:
    """The case as drawn, newer than before. One of which no step stands was never open: it stays, closed."""
    if case is None:
        assert known is not None
        case = replace(known, closed_at=known.opened_at)
    return replace(case, as_of=max(case.as_of, change.at, known.as_of if known else change.at))
