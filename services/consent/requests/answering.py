"""Answer a request: per item a yes, to some of it or all, or a no; or let it wait (U8, R3, R4, R5).

1. A yes is the same act as a grant (`grants.commands.give`), on the row that waits for it.
2. A no is the same call and asks for nothing more (`declining`).
3. All items of one call are one change of all their scopes, with one receipt each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.database.database import WriteSession
from services.consent.consents.consent import Consent
from services.consent.grants.commands import Outcome, Yes, give, narrowed, prove
from services.consent.grants.grant import Ask
from services.consent.http.idempotency_store import Answer
from services.consent.http.signing import Signer
from services.consent.model.bilingual import Language
from services.consent.model.errors import NotOpenError, NotSpecificError
from services.consent.receipts.store import StoredReceipt
from services.consent.requests import store as requests_store
from services.consent.requests.declining import (
    NoSuchRequestError,
    Word,
    claimed,
    completed,
    decline_waiting,
    prove_no,
    settle_notices,
)
from services.consent.requests.request import Item, Reply, Request, State
from services.consent.requests.turns import scopes_of
from services.consent.scopes import scopes
from services.consent.scopes.scopes import Changed

_OF_AN_ITEM = frozenset({"holder_unit", "recipient_unit", "categories", "affirmed_special", "valid_until"})


@dataclass(frozen=True, slots=True)
class Choice:
    """What is said about one item. `accepted` None: no, when `declined`; else it is left open."""

    item_id: UUID
    declined: bool = False
    accepted: frozenset[str] | None = None
    valid_until: datetime | None = None
    affirmed_special: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shown:
    """The text that the giver was shown."""

    language: Language
    version: int | None
    sha256: str


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """One item after the change, with the proof of what was said about it."""

    item_id: UUID
    consent: Consent
    receipt: StoredReceipt


@dataclass(frozen=True, slots=True)
class Answering:
    """An answer. `choices` None: no to everything that is open. `shown` None: then nothing can be accepted."""

    word: Word
    request_id: UUID
    choices: tuple[Choice, ...] | None
    shown: Shown | None
    shape: Callable[[Request, tuple[ItemAnswer, ...], datetime], dict[str, Any]]


@dataclass
class _Done:
    """What the change left behind: per item the outcome of a yes, or the consent declined."""

    yes: dict[UUID, tuple[Yes, Outcome]] = field(default_factory=dict)
    no: dict[UUID, Consent] = field(default_factory=dict)


async def answer_request(session: WriteSession, signer: Signer, answering: Answering) -> Answer:
    """Say yes and no. 200 with the state and a receipt each; for a repeated key, the first answer.

    202: something covers less than before, so it is answered only when nothing older is in flight (`drain.py`).

    Raises NoSuchRequestError, NotOpenError, NotSpecificError, NotYourDeclarationError, AlreadyDeclaredError,
    KeyReusedError.
    """
    word = answering.word
    first = await claimed(session, word)
    if first is not None:
        return first
    found = await requests_store.find(session, word.borger_id, answering.request_id)
    if found is None or not word.covers(found.purpose):
        raise NoSuchRequestError
    done = _Done()
    changed = await scopes.change(session, scopes_of(found), lambda now: _answer(session, answering, done, now))
    said = await _proven(session, signer, word, done, changed=changed)
    request = await requests_store.find(session, word.borger_id, answering.request_id)
    assert request is not None
    await settle_notices(session, word.borger_id, answering.request_id, changed.at)
    answer = Answer(202 if changed.ended else 200, answering.shape(request, said, changed.at))
    return await completed(session, word, answer)


async def _answer(session: WriteSession, answering: Answering, done: _Done, now: datetime) -> None:
    """The change itself, under the scopes' locks."""
    request = await requests_store.find(session, answering.word.borger_id, answering.request_id)
    assert request is not None
    open_items = {item.item_id: item for item in request.open_items(now)}
    if request.state_at(now) == (State.ANSWERED, Reply.DECLINED) and answering.choices is None:
        return  # a no that is said again changes nothing
    if not open_items:
        raise NotOpenError("the request waits for nothing any more")
    choices = answering.choices
    if choices is None:
        choices = tuple(Choice(item_id, declined=True) for item_id in open_items)
    _check_complete(choices, open_items)
    for place, choice in enumerate(choices):
        item = open_items[choice.item_id]
        if choice.accepted is not None:
            done.yes[item.item_id] = await _accept(session, answering, choice, item, place=place, now=now)
        elif choice.declined:
            done.no[item.item_id] = await decline_waiting(session, answering.word, item.consent, now)


def _check_complete(choices: tuple[Choice, ...], open_items: dict[UUID, Item]) -> None:
    """Every open item is named, once; what is to wait is said to wait."""
    known = tuple(str(item_id) for item_id in open_items)
    named = [choice.item_id for choice in choices]
    for place, item_id in enumerate(named):
        if item_id not in open_items or named.index(item_id) != place:
            raise NotSpecificError("must be an item that is open, once", field=f"items.{place}.item_id", known=known)
    if set(named) != set(open_items):
        raise NotSpecificError("must name every item that is open", field="items", known=known)


async def _accept(
    session: WriteSession, answering: Answering, choice: Choice, item: Item, *, place: int, now: datetime
) -> tuple[Yes, Outcome]:
    word, shown, accepted = answering.word, answering.shown, choice.accepted
    assert accepted is not None
    if shown is None:
        raise NotSpecificError("must be sent, with language, when something is accepted", field="text_sha256")
    if not accepted <= item.categories:
        asked = tuple(sorted(item.categories))
        raise NotSpecificError("must be among those asked for", field=f"items.{place}.categories", known=asked)
    ask = Ask(
        borger_id=word.borger_id,
        purpose=item.consent.purpose,
        holder_unit=item.holder_unit,
        recipient_unit=item.recipient_unit,
        categories=accepted,
        language=shown.language,
        text_version=shown.version,
        text_sha256=shown.sha256,
        valid_until=choice.valid_until,
        affirmed_special=choice.affirmed_special,
    )
    yes, outcome = Yes(ask, word.giver, word.actor, word.new_id), Outcome()
    try:
        await give(session, yes, outcome, now)
    except NotSpecificError as error:
        if error.field in _OF_AN_ITEM:
            raise NotSpecificError(error.message, field=f"items.{place}.{error.field}", known=error.known) from None
        raise
    return yes, outcome


async def _proven(
    session: WriteSession, signer: Signer, word: Word, done: _Done, *, changed: Changed
) -> tuple[ItemAnswer, ...]:
    """Receipts, last of all locks; the bus and the trail; and what the answer is to wait for."""
    said = []
    for item_id, (yes, outcome) in done.yes.items():
        receipt = await prove(session, signer, yes, outcome, changed=changed)
        assert outcome.consent is not None
        said.append(ItemAnswer(item_id, outcome.consent, receipt))
    for item_id, declined in done.no.items():
        said.append(ItemAnswer(item_id, declined, await prove_no(session, signer, word, declined, changed=changed)))
    if changed.ended:
        less = (one for one in said if one.item_id in done.yes and done.yes[one.item_id][1].less)
        first = next(less, said[0])  # one drain, of every scope of the change
        await narrowed(session, word.new_id(), changed, consent=first.consent, receipt=first.receipt)
    return tuple(said)
