"""What an opinion leaves in the audit trail: one entry per call and person, a no as well as a yes (R20).

What was asked came from outside, so only words that the catalogue knows are written down: never what else was sent.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from libs.common.outbox.outbox import Message, audit_message
from libs.common.wire.messages import AuditEntry
from services.consent.access.questions import Opinion
from services.consent.catalogue.entries import Catalogue
from services.consent.decision.snapshot import Question
from services.consent.http.audit import PRODUCER, Actor


def of_evaluations(opinions: Iterable[Opinion], actor: Actor, at: datetime, *, catalogue: Catalogue) -> list[Message]:
    """`access.evaluated` per person, and one about nobody for what was none of our questions."""
    about: dict[UUID | None, list[Opinion]] = {}
    for opinion in opinions:
        about.setdefault(opinion.question.borger_id if opinion.question else None, []).append(opinion)
    summaries: dict[Any, Mapping[str, Any]] = {}  # a batch asks the same about many: only whom it is about differs
    entries = []
    for person, answers in about.items():
        same = tuple((item.question and item.question[1:], item.permitted, item.reason) for item in answers)
        summary = summaries.get(same)
        if summary is None:
            summary = summaries[same] = _summary(answers, catalogue)
        entries.append(_entry("access.evaluated", actor, at, subject=person, given=summary))
    return entries


def _summary(answers: Collection[Opinion], catalogue: Catalogue) -> dict[str, Any]:
    permitted = sum(answer.permitted for answer in answers)
    reasons = {answer.reason for answer in answers}
    counts = {"asked": str(len(answers)), "permitted": str(permitted)}
    return {
        **_codes([answer.question for answer in answers if answer.question], catalogue, counts),
        "outcome": "success" if permitted else "refused",
        "reason": str(reasons.pop()) if len(reasons) == 1 else None,
    }


def of_search(
    sought: str,
    actor: Actor,
    at: datetime,
    *,
    asked: Question | None,
    answers: Collection[Question],
    catalogue: Catalogue,
) -> Message:
    """`access.searched`: what was sought about whom (`asked` has empty words for it), and what was found."""
    given = {
        **_codes(
            [*([asked] if asked else []), *answers], catalogue, {"sought": sought, "permitted": str(len(answers))}
        ),
        "outcome": "success" if answers else "refused",
        "reason": None,
    }
    return _entry("access.searched", actor, at, subject=asked.borger_id if asked else None, given=given)


def _codes(questions: Collection[Question], catalogue: Catalogue, counts: Mapping[str, str]) -> dict[str, Any]:
    codes = {
        "holder_unit": _known((item.holder_unit for item in questions), catalogue.units),
        "recipient_unit": _known((item.recipient_unit for item in questions), catalogue.units),
        "category": _known((item.category for item in questions), catalogue.categories),
    }
    return {
        "purposes": tuple(_known((item.purpose for item in questions), catalogue.purposes)),
        "objects": {**{name: ",".join(known) for name, known in codes.items() if known}, **counts},
    }


def _known(words: Iterable[str], entries: Mapping[str, Any]) -> list[str]:
    return sorted(word for word in set(words) if word in entries)


def _entry(kind: str, actor: Actor, at: datetime, *, subject: UUID | None, given: Mapping[str, Any]) -> Message:
    return audit_message(
        PRODUCER,
        AuditEntry(
            id=uuid4(),
            type=kind,
            action="R",
            outcome=given["outcome"],
            occurred_at=at,
            subject=subject,
            actor=actor.name,
            actor_role=actor.role,
            unit=actor.unit,
            purposes=given["purposes"],
            objects=given["objects"],
            reason=given["reason"],
            correlation_id=actor.correlation_id,
        ),
    )
