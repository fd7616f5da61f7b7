"""The case registry: which unit has an open case about whom, under which reference, and who works on it.

It follows three event types per administration (domain.md §8): opened, closed, handed over. Rules:
a change older than the newest one applied is ignored (R45); a reference never changes citizen. An opened or handed-over
case names its caseworker (`case_events.missing_field`): an advis without a reader would be one nobody may see (R15).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.advis.domain.errors import CaseOwnerError


class Step(StrEnum):
    """What can happen to a case, by the last word of the event type."""

    OPENED = "aabnet"
    CLOSED = "lukket"
    HANDED_OVER = "sagsbehandlerskift"


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One step in one unit's case about `borger_id`; `at` is the source's time of the event."""

    step: Step
    unit: str
    case_reference: str
    borger_id: UUID
    caseworker: str | None
    at: datetime
    corrects: bool = False
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


def apply(change: CaseChange, case: Case | None) -> Case:
    """The case after the change. Raises CaseOwnerError when the reference is another citizen's."""
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
    if case.borger_id != change.borger_id:
        raise CaseOwnerError(change.case_reference)
    if change.corrects:
        return _corrected(change, case)
    if change.at < case.as_of:
        return case
    changed = replace(case, as_of=change.at, caseworker=change.caseworker or case.caseworker)
    if change.step is Step.OPENED:
        return replace(changed, closed_at=None, opened_at=change.at if case.closed_at else case.opened_at)
    return replace(changed, closed_at=change.at) if change.step is Step.CLOSED else changed


def _corrected(change: CaseChange, case: Case) -> Case:
    """The case once its last step of this kind is what the correction says, however late that comes (R18)."""
    known = replace(case, as_of=max(case.as_of, change.at))
    if change.step is Step.CLOSED:
        return replace(known, closed_at=None if change.annulled else change.at)
    if change.step is Step.OPENED and change.annulled:
        return replace(known, closed_at=case.opened_at)
    handed = replace(known, caseworker=change.caseworker or case.caseworker)
    return replace(handed, opened_at=change.at) if change.step is Step.OPENED else handed


class Registry:
    """The cases that a batch of events touches, as they stand after each event in turn."""

    def __init__(self, cases: Mapping[tuple[str, str], Case]) -> None:
        self._cases = dict(cases)
        self._changed: dict[tuple[str, str], Case] = {}
        self._keys: defaultdict[UUID, set[tuple[str, str]]] = defaultdict(set)
        for key, case in self._cases.items():
            self._keys[case.borger_id].add(key)

    @property
    def changed(self) -> Collection[Case]:
        """The cases that are to be written."""
        return self._changed.values()

    def apply(self, change: CaseChange) -> None:
        """Take one change. Raises CaseOwnerError, and is as it was then."""
        key = (change.unit, change.case_reference)
        if change.annulled and key not in self._cases:
            return
        self._cases[key] = self._changed[key] = apply(change, self._cases.get(key))
        self._keys[change.borger_id].add(key)

    def about(self, citizens: Collection[UUID]) -> list[Case]:
        """Every case about these citizens, open or not."""
        return [self._cases[key] for citizen in citizens for key in self._keys.get(citizen, ())]
