"""Our question in the words of OpenID AuthZEN Authorization API 1.0, and back (`docs/asking.md`).

    subject    {"type": "unit", "id": <recipient unit>}
    action     {"name": "receive", "properties": {"purpose": <purpose>}}
    resource   {"type": "information", "id": "<borger_id>/<holder unit>/<category>"}
    context    has no say: an opinion is about now, by the database's clock

1. Whatever cannot be such a question has the answer that an unknown citizen has: no.
2. An opinion is `decide`'s, on the same snapshot as the fence's. There is no second way to decide.
3. A search is the set of questions that are answered yes: every candidate of the catalogue is put to `decide`.
4. A gateway asks for every unit. Everyone else asks about what their own unit receives or holds; to them, every other
   question is a no, so that nobody learns what two other units may tell each other.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.consent.decision.decide import decide
from services.consent.decision.snapshot import Question, Snapshot

SUBJECT_TYPE = "unit"
ACTION_NAME = "receive"
RESOURCE_TYPE = "information"
_BORGER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # one spelling, so that ids can be compared
_RESOURCE_ID = re.compile(rf"({_BORGER_ID.pattern})/([^/]+)/([^/]+)")
_PARTS = ("borger_id", "holder_unit", "category")
_NOTHING: dict[str, Any] = {}

Entity = Mapping[str, Any]


class Semantic(StrEnum):
    """When a call with several questions stops (AuthZEN 1.0, evaluations semantics)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


class Information(NamedTuple):
    """A resource: what is known about whom, and where."""

    borger_id: UUID
    holder_unit: str
    category: str

    def agrees_with(self, properties: Mapping[str, Any]) -> bool:
        """Whether what the caller says of the resource beside its id, in words that we know, is what the id says."""
        own = (str(self.borger_id), self.holder_unit, self.category)
        return all(properties.get(name, value) == value for name, value in zip(_PARTS, own, strict=True))


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. `unit` None: a gateway, which asks for every unit."""

    unit: str | None

    def may_know(self, question: Question) -> bool:
        """Whether the question is about what the asker's own unit receives or holds."""
        return self.unit is None or self.unit in {question.recipient_unit, question.holder_unit}


class Opinion(NamedTuple):
    """One answer. `question` None: it was none of ours. `reason` is for the audit trail, never for the asker."""

    question: Question | None
    permitted: bool
    reason: str


NOT_A_QUESTION = "not_a_question"
NOT_THE_ASKERS = "not_the_askers_unit"


def question_of(subject: Entity, action: Entity, resource: Entity) -> Question | None:
    """The question that these entities ask; None when it is none of ours. Each has its required texts."""
    purpose = purpose_of(action)
    if purpose is None or subject["type"] != SUBJECT_TYPE:
        return None
    about = information_of(resource)
    if about is None:
        return None
    return Question(about.borger_id, about.holder_unit, subject["id"], purpose, about.category)


def purpose_of(action: Entity) -> str | None:
    """The purpose for which an action is to receive something; None for another action."""
    if action["name"] != ACTION_NAME:
        return None
    purpose = action.get("properties", _NOTHING).get("purpose")
    return purpose if isinstance(purpose, str) else None


def unit_of(subject: Entity) -> str | None:
    """The unit that a subject is; None for another type."""
    unit = subject["id"] if subject["type"] == SUBJECT_TYPE else None
    return unit if isinstance(unit, str) else None


def sought_of(resource: Entity) -> Information | None:
    """What a resource without an id narrows a search to, empty words where it does not; None when about no citizen."""
    properties = resource.get("properties", _NOTHING)
    borger_id, holder, category = (properties.get(name, "") for name in _PARTS)
    texts = isinstance(borger_id, str) and isinstance(holder, str) and isinstance(category, str)
    if resource["type"] != RESOURCE_TYPE or not texts or not _BORGER_ID.fullmatch(borger_id):
        return None
    return Information(UUID(borger_id), holder, category)


def information_of(resource: Entity) -> Information | None:
    """What a resource names; None for another type or form, or when its properties contradict its id."""
    found = _RESOURCE_ID.fullmatch(resource["id"]) if resource["type"] == RESOURCE_TYPE else None
    if found is None:
        return None
    about = Information(UUID(found[1]), found[2], found[3])
    properties = resource.get("properties")
    return about if not properties or about.agrees_with(properties) else None


def opinions(
    questions: Sequence[Question | None], asker: Asker, snapshot: Snapshot, now: datetime, *, semantic: Semantic
) -> list[Opinion]:
    """The answers, in order, up to and with the one that ends the call; a question asked twice is decided once."""
    stops_at = {Semantic.DENY_ON_FIRST_DENY: False, Semantic.PERMIT_ON_FIRST_PERMIT: True}.get(semantic)
    known: dict[Question | None, Opinion] = {None: Opinion(None, permitted=False, reason=NOT_A_QUESTION)}
    answers: list[Opinion] = []
    for question in questions:
        opinion = known.get(question)
        if opinion is None:
            assert question is not None
            opinion = known[question] = _opinion(question, asker, snapshot, now)
        answers.append(opinion)
        if opinion.permitted is stops_at:
            break
    return answers


def _opinion(question: Question, asker: Asker, snapshot: Snapshot, now: datetime) -> Opinion:
    if not asker.may_know(question):
        return Opinion(question, permitted=False, reason=NOT_THE_ASKERS)
    decision = decide(question, snapshot, now, with_end=False)
    return Opinion(question, decision.permitted, decision.reason)


def found(candidates: Iterable[Question], asker: Asker, snapshot: Snapshot, now: datetime) -> list[Question]:
    """The candidates that are answered yes, in their order."""
    return [
        question
        for question in candidates
        if asker.may_know(question) and decide(question, snapshot, now, with_end=False).permitted
    ]


def recipients_of(asked: Question, snapshot: Snapshot) -> Iterator[Question]:
    """Subject search: who may receive this, for this purpose?"""
    for unit in snapshot.catalogue.units:
        yield asked._replace(recipient_unit=unit)


def purposes_of(asked: Question, snapshot: Snapshot) -> Iterator[Question]:
    """Action search: for which purposes may this unit receive this?"""
    for purpose in snapshot.catalogue.purposes:
        yield asked._replace(purpose=purpose)


def information_for(asked: Question, snapshot: Snapshot) -> Iterator[Question]:
    """Resource search: what may this unit receive about this citizen, for this purpose? Words given narrow it."""
    holders = [asked.holder_unit] if asked.holder_unit else list(snapshot.catalogue.units)
    categories = [asked.category] if asked.category else list(snapshot.catalogue.categories)
    for holder in holders:
        for category in categories:
            yield asked._replace(holder_unit=holder, category=category)


def resource_of(question: Question) -> dict[str, Any]:
    """What a question asks for, as the resource that an evaluation takes."""
    parts = (str(question.borger_id), question.holder_unit, question.category)
    return {"type": RESOURCE_TYPE, "id": "/".join(parts), "properties": dict(zip(_PARTS, parts, strict=True))}
