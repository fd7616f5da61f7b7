"""Which openings a case event has as it arrives: which unit may be told what about whom, and at which epochs.

1. Openings and epochs come from one snapshot: a state and the epochs that belong to it.
2. No opening is an empty list, whatever the reason: the caller cannot tell a refusal from a stranger.
3. An event about a child that reveals something about a parent has one opening per custody holder, in the case that the
   recipient has about *that parent*. Both of them must be a yes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.consent.domain.catalogue import EventType
from services.consent.domain.decision import decide
from services.consent.domain.family import custody_holders
from services.consent.domain.fence import current_epoch
from services.consent.domain.snapshot import Person, Question, Snapshot

People = dict[str, UUID]  # role → person


@dataclass(frozen=True, slots=True)
class Part:
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
    parts: tuple[Part, ...]


def openings(code: str, borger_id: UUID, holder_unit: str, *, snapshot: Snapshot, now: datetime) -> list[Possible]:
    """The openings of an event of type `code` about `borger_id`, held by `holder_unit`, in a fixed order."""
    event = snapshot.catalogue.event_type(code, now)
    person = snapshot.persons.get(borger_id)
    if event is None or person is None or not event.reveals:
        return []
    found = (
        opening
        for people in _casts(event, person, now)
        for purpose in event.purposes
        for opening in _towards(event, people, purpose, holder_unit, snapshot=snapshot, now=now)
    )
    return sorted(found, key=lambda item: (item.purpose, item.recipient_unit, item.subject))


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
) -> Iterator[Possible]:
    subject = people.get("parent") or people.get("citizen") or people["child"]
    for recipient in _recipients(people, purpose, snapshot):
        parts = []
        for revealed in event.reveals:
            borger_id = people[revealed.role]
            scope = snapshot.persons[borger_id].scopes[purpose, recipient]
            asked = Question(borger_id, holder_unit, recipient, purpose, revealed.category)
            covered = (holder_unit, revealed.category) in scope.covered_since
            if not covered or not decide(asked, snapshot, now).permitted:
                break
            parts.append(Part(borger_id, revealed.category, current_epoch(scope.epoch, snapshot.generation)))
        else:
            yield Possible(recipient, purpose, subject, tuple(parts))


def _recipients(people: People, purpose: str, snapshot: Snapshot) -> set[str]:
    """The units for which every one of these people has a scope with the purpose."""
    found: set[str] | None = None
    for borger_id in people.values():
        person = snapshot.persons.get(borger_id)
        units = {unit for scope_purpose, unit in person.scopes if scope_purpose == purpose} if person else set()
        found = units if found is None else found & units
    return found or set()
