"""What an opinion leaves in the audit trail: one entry per call and person, a no as well as a yes (R20).

What was asked came from outside, so only words that the catalogue knows are written down: never what else was sent.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from libs.common.messages import AuditEntry
from libs.common.outbox import Message, audit_message
from services.consent.domain.access import Opinion
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.snapshot import Question
from services.consent.records import PRODUCER, Actor


def of_evaluations(opinions: Iterable[Opinion], actor: Actor, at: datetime, *, catalogue: Catalogue) -> list[Message]:
    """`access.evaluated` per person, and one about nobody for what was none of our questions."""
    about: dict[UUID | None, list[Opinion]] = {}
    for opinion in opinions:
        about.setdefault(opinion.question.borger_id if opinion.question else None, []).append(opinion)
    return [
        _entry("access.evaluated", actor, at, subject=person, given=_summary(answers, catalogue))
        for person, answers in about.items()
    ]


def _summary(answers: Collection[Opinion], catalogue: Catalogue) -> dict[str, Any]:
    permitted = sum(answer.permitted for answer in answers)
    reasons = {answer.reason for answer in answers}
    return {
        **_codes([answer.question for answer in answers if answer.question], catalogue),
        "outcome": "success" if permitted else "refused",
        "counts": {"asked": str(len(answers)), "permitted": str(permitted)},
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
        **_codes([*([asked] if asked else []), *answers], catalogue),
        "outcome": "success" if answers else "refused",
        "counts": {"sought": sought, "permitted": str(len(answers))},
        "reason": None,
    }
    return _entry("access.searched", actor, at, subject=asked.borger_id if asked else None, given=given)


def _codes(questions: Collection[Question], catalogue: Catalogue) -> dict[str, Any]:
    units, categories = catalogue.units, catalogue.categories
    return {
        "purposes": tuple(_known((item.purpose for item in questions), catalogue.purposes)),
        "objects": {
            "holder_unit": ",".join(_known((item.holder_unit for item in questions), units)),
            "recipient_unit": ",".join(_known((item.recipient_unit for item in questions), units)),
            "category": ",".join(_known((item.category for item in questions), categories)),
        },
    }


def _known(words: Iterable[str], entries: Mapping[str, Any]) -> list[str]:
    return sorted(word for word in set(words) if word in entries)


def _entry(kind: str, actor: Actor, at: datetime, *, subject: UUID | None, given: Mapping[str, Any]) -> Message:
    objects = {name: value for name, value in {**given["objects"], **given["counts"]}.items() if value}
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
            objects=objects,
            reason=given["reason"],
            correlation_id=actor.correlation_id,
        ),
    )
