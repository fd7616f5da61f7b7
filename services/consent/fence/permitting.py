"""May this disclosure be made, now, of what arrived then? The pure half of an acquire (`docs/fence.md`).

1. What is revealed is what the reference data says the event reveals, all of it: in the family rules about the child
   *and* about a parent who holds custody of that child. Less than that would leave a scope unlocked.
2. Every revealed person's scope exists. No scope row means no.
3. Every decision is yes, at a clock read after the locks.
4. Every coverage is unbroken since arrival: by the epochs, and by the catalogue of every day since (`coverage`).

The first no is the answer. Its reason is for the audit trail; the caller learns only that there is no permit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.consent.citizens.family import custody_holders
from services.consent.decision.coverage import is_unbroken
from services.consent.decision.decide import DisclosureDecision, decide
from services.consent.decision.epochs import current_epoch, is_covered
from services.consent.decision.snapshot import Question, Snapshot


class Refused(StrEnum):
    """Why there is no permit, where the decision alone does not say."""

    NOT_THE_EVENT = "not_what_the_event_reveals"
    NO_SCOPE = "no_scope"
    BROKEN = "not_covered_since_arrival"
    ENDING = "ends_now"
    ID_USED = "permit_id_used"


class Revealed(NamedTuple):
    """What is revealed about one person, and the scope's epoch when the event arrived."""

    borger_id: UUID
    category: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A disclosure that somebody wants to make. All but `reveals` are catalogue codes."""

    event_type: str
    holder_unit: str
    recipient_unit: str
    purpose: str
    reveals: tuple[Revealed, ...]


@dataclass(frozen=True, slots=True)
class PermitPart:
    """What a permit reveals about one person: categories, the scope's epoch now, and what the yes rests on."""

    borger_id: UUID
    epoch: int
    categories: tuple[str, ...]
    consents: tuple[UUID, ...]
    legal_basis: str | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A yes has one part per revealed person; a no has a reason and the person whose scope or decision said it."""

    parts: tuple[PermitPart, ...] = ()
    refusal: str | None = None
    person: UUID | None = None

    @property
    def consents(self) -> tuple[UUID, ...]:
        """The consents that a yes rests on; none where another legal basis carries it."""
        return tuple(dict.fromkeys(consent for part in self.parts for consent in part.consents))


def judge(asked: Asked, snapshot: Snapshot, now: datetime) -> Judgement:
    """Weigh one disclosure against rows read after the locks. `now` is the database's clock, read after the locks."""
    if not _is_the_event(asked, snapshot, now):
        return Judgement(refusal=Refused.NOT_THE_EVENT, person=asked.reveals[0].borger_id)
    decisions: dict[UUID, list[DisclosureDecision]] = {}
    for told in asked.reveals:
        question = Question(told.borger_id, asked.holder_unit, asked.recipient_unit, asked.purpose, told.category)
        decision = decide(question, snapshot, now)
        refusal = _refusal(question, told, decision, snapshot, now=now)
        if refusal is not None:
            return Judgement(refusal=refusal, person=told.borger_id)
        decisions.setdefault(told.borger_id, []).append(decision)
    return Judgement(tuple(_part(asked, person, snapshot, yes) for person, yes in decisions.items()))


def _part(asked: Asked, borger_id: UUID, snapshot: Snapshot, decisions: list[DisclosureDecision]) -> PermitPart:
    scope = snapshot.persons[borger_id].scopes[asked.purpose, asked.recipient_unit]
    return PermitPart(
        borger_id=borger_id,
        epoch=current_epoch(scope.epoch, snapshot.generation),
        categories=tuple(told.category for told in asked.reveals if told.borger_id == borger_id),
        consents=tuple(dict.fromkeys(yes.rests_on for yes in decisions if yes.rests_on is not None)),
        legal_basis=decisions[0].legal_basis,
        ends_at=min((yes.ends_at for yes in decisions if yes.ends_at is not None), default=None),
    )


def _refusal(
    question: Question, told: Revealed, decision: DisclosureDecision, snapshot: Snapshot, *, now: datetime
) -> str | None:
    person = snapshot.persons.get(told.borger_id)
    scope = person.scopes.get((question.purpose, question.recipient_unit)) if person else None
    if scope is None:
        return Refused.NO_SCOPE
    if not decision.permitted:
        return decision.reason
    coverage = scope.covered_since.get((question.holder_unit, question.category))
    current = current_epoch(scope.epoch, snapshot.generation)
    since = None if coverage is None else coverage.epoch
    covered = is_covered(since, arrived=told.epoch, current=current, generation=snapshot.generation)
    holds = covered and coverage is not None and is_unbroken(question, coverage, snapshot, now)
    return None if holds else Refused.BROKEN


def _is_the_event(asked: Asked, snapshot: Snapshot, now: datetime) -> bool:
    """What is asked for is all that the event reveals, about as many people as it has roles."""
    event = snapshot.catalogue.event_type(asked.event_type, now)
    if event is None or asked.purpose not in event.purposes or not event.reveals:
        return False
    if sorted(part.category for part in event.reveals) != sorted(told.category for told in asked.reveals):
        return False
    who = {told.category: told.borger_id for told in asked.reveals}
    cast = {(part.role, who[part.category]) for part in event.reveals}
    one_each = len(cast) == len({role for role, _ in cast}) == len({told.borger_id for told in asked.reveals})
    return one_each and len(who) == len(asked.reveals) and _is_family(dict(cast), snapshot, now)


def _is_family(cast: Mapping[str, UUID], snapshot: Snapshot, now: datetime) -> bool:
    """Where a child and a parent are revealed, the one holds custody of the other today."""
    if "child" not in cast or "parent" not in cast:
        return True
    child = snapshot.persons.get(cast["child"])
    return child is not None and cast["parent"] in custody_holders(child.custody, now)
