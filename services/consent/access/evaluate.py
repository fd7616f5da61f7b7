"""Opinions about now (`docs/asking.md`): read, decided and put on the record in one transaction.

So no answer leaves without its entry (R20). Nothing is locked and nothing is permitted: to disclose takes a permit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import append
from services.consent.access import audit as access_audit
from services.consent.access.questions import Asker, Opinion, Semantic, found, opinions
from services.consent.decision.snapshot import Question, Snapshot
from services.consent.decision.store import load_now
from services.consent.http.audit import Actor


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: about which unit, and under which name it stands on the record."""

    asker: Asker
    actor: Actor


@dataclass(frozen=True, slots=True)
class Search:
    """What is sought: `asked` is the question with empty words for what is sought, None for none of our questions.

    `candidates`: every question that could be an answer.
    """

    sought: str
    asked: Question | None
    candidates: Callable[[Question, Snapshot], Iterator[Question]]


async def evaluate(
    session: WriteSession, caller: Caller, questions: Sequence[Question | None], semantic: Semantic
) -> list[Opinion]:
    """The answers in order; fewer than the questions where the semantic says when to stop."""
    persons = {question.borger_id for question in questions if question is not None}
    snapshot, now = await load_now(session, persons)
    answers = opinions(questions, caller.asker, snapshot, now, semantic=semantic)
    entries = access_audit.of_evaluations(answers, caller.actor, now, catalogue=snapshot.catalogue)
    await append(session, entries)
    return answers


async def search(session: WriteSession, caller: Caller, wanted: Search) -> list[Question]:
    """Every candidate that an evaluation would answer yes."""
    snapshot, now = await load_now(session, [wanted.asked.borger_id] if wanted.asked else [])
    answers: list[Question] = []
    if wanted.asked is not None:
        answers = found(wanted.candidates(wanted.asked, snapshot), caller.asker, snapshot, now)
    entry = access_audit.of_search(
        wanted.sought, caller.actor, now, asked=wanted.asked, answers=answers, catalogue=snapshot.catalogue
    )
    await append(session, [entry])
    return answers
