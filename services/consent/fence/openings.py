"""Which openings a case event has as it arrives: which unit may be told what about whom, and at which epochs.

1. Openings and epochs come from one snapshot: a state and the epochs that belong to it.
2. No opening is an empty list, whatever the reason: the caller cannot tell a refusal from a stranger.
3. An event about a child that reveals something about a parent has one opening per custody holder, in the case that the
   recipient has about *that parent*. Both of them must be a yes.
4. What is a yes today but was broken by the catalogue since it was covered is no opening yet: its coverage begins anew
   first, and the question is asked again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.consent.catalogue.entries import EventType
from services.consent.citizens.family import custody_holders
from services.consent.decision.coverage import is_unbroken
from services.consent.decision.decide import decide
from services.consent.decision.epochs import current_epoch
from services.consent.decision.snapshot import Person, Question, Snapshot
from services.consent.model.scope import ScopeKey

People = dict[str, UUID]  # role → person


@dataclass(frozen=True, slots=True)
class OpeningPart:
    """What would be told about one person, and the scope's epoch now."""

    borger_id: UUID
    category: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Possible:
    """One opening. `subject`: whose case the recipient would see it in."""

    recipient_unit: str
    purpose: str
    subject: UUID
    parts: tuple[OpeningPart, ...]
    covered_at: datetime  # since when all of it is covered without a break


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What would be an opening, but is not covered without a break: by the catalogue's own gap, or not yet at all."""

    scopes: tuple[ScopeKey, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """`openings`, in a fixed order; and the scopes whose coverage must begin anew for there to be more of them."""

    openings: list[Possible]
    lapsed: set[ScopeKey]


def examine(
    code: str,
    borger_id: UUID,
    holder_unit: str,
    *,
    snapshot: Snapshot,
    now: datetime,
    arrived: datetime | None = None,
) -> Examined:
    """The openings of an event of type `code` about `borger_id`, held by `holder_unit`.

    `arrived`: when the event first came, where that is not now: what was not covered then has no opening.
    """
    found = list(_examined(code, borger_id, holder_unit, snapshot=snapshot, now=now))
    possible = [item for item in found if isinstance(item, Possible)]
    if arrived is not None:
        possible = [item for item in possible if item.covered_at <= arrived]
    return Examined(
        sorted(possible, key=lambda item: (item.purpose, item.recipient_unit, item.subject)),
        {key for item in found if isinstance(item, Lapsed) for key in item.scopes},
    )


def _examined(
    code: str, borger_id: UUID, holder_unit: str, *, snapshot: Snapshot, now: datetime
) -> Iterator[Possible | Lapsed]:
    event = snapshot.catalogue.event_type(code, now)
    person = snapshot.persons.get(borger_id)
    if event is None or person is None:
        return
    for people in _casts(event, person, now) if event.reveals else ():
        for purpose in event.purposes:
            yield from _towards(event, people, purpose, holder_unit, snapshot=snapshot, now=now)


def _casts(event: EventType, person: Person, now: datetime) -> Iterator[People]:
    """Who plays which role: the person the event is about, and in the family rules each parent in turn."""
    roles = {part.role for part in event.reveals}
    own: People = {role: person.borger_id for role in ("citizen", "child") if role in roles}
    if "parent" not in roles:
        yield own
        return
    for parent in custody_holders(person.custody, now):
        yield {**own, "parent": parent}


def _towards(
    event: EventType, people: People, purpose: str, holder_unit: str, *, snapshot: Snapshot, now: datetime
) -> Iterator[Possible | Lapsed]:
    subject = people.get("parent") or people.get("citizen") or people["child"]
    for recipient in _recipients(people, purpose, snapshot, now):
        asked = [Question(people[part.role], holder_unit, recipient, purpose, part.category) for part in event.reveals]
        if not all(decide(question, snapshot, now).permitted for question in asked):
            continue
        since = [(question, _covered_at(question, snapshot, now)) for question in asked]
        covered = [at for _, at in since if at is not None]
        if len(covered) < len(since):
            yield Lapsed(tuple(ScopeKey(item.borger_id, purpose, recipient) for item, at in since if at is None))
        else:
            parts = tuple(_part(question, snapshot) for question in asked)
            yield Possible(recipient, purpose, subject, parts, covered_at=max(covered))


def _covered_at(question: Question, snapshot: Snapshot, now: datetime) -> datetime | None:
    """Since when the question's coverage holds without a break; None where it does not."""
    scope = snapshot.persons[question.borger_id].scopes.get((question.purpose, question.recipient_unit))
    coverage = scope.covered_since.get((question.holder_unit, question.category)) if scope else None
    return coverage.at if coverage is not None and is_unbroken(question, coverage, snapshot, now) else None


def _part(question: Question, snapshot: Snapshot) -> OpeningPart:
    scope = snapshot.persons[question.borger_id].scopes[question.purpose, question.recipient_unit]
    return OpeningPart(question.borger_id, question.category, current_epoch(scope.epoch, snapshot.generation))


def _recipients(people: People, purpose: str, snapshot: Snapshot, now: datetime) -> set[str]:
    """The units for which every one of these people has a scope with the purpose, or a consent that counts for it."""
    found: set[str] | None = None
    for borger_id in people.values():
        person = snapshot.persons.get(borger_id)
        units = _units(person, purpose, snapshot, now) if person else set()
        found = units if found is None else found & units
    return found or set()


def _units(person: Person, purpose: str, snapshot: Snapshot, now: datetime) -> set[str]:
    catalogue = snapshot.catalogue
    units = {unit for scope_purpose, unit in person.scopes if scope_purpose == purpose}
    mapped = {catalogue.counts_as(unit, now) for unit in units & catalogue.unit_mappings.keys()}
    return units | {unit for unit in mapped if unit is not None}
