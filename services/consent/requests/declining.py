"""Say no to what waits, for an answer or for another's signature; and whose word it is that says yes or no (U8, R5).

A no asks for nothing: no text, no reason, no key. Everyone whose yes is needed may say it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.consents import audit as consents_audit
from services.consent.consents import store as consents_store
from services.consent.consents.audit import scope_of
from services.consent.consents.consent import Consent, Status, decline
from services.consent.consents.events import ConsentDeclined
from services.consent.decision.required import required_for
from services.consent.decision.store import load_snapshot
from services.consent.grants import receipt as grants_receipt
from services.consent.http import idempotency_store
from services.consent.http.audit import Actor
from services.consent.http.idempotency_store import Answer
from services.consent.http.signing import Signer
from services.consent.model.acting import Giver
from services.consent.model.errors import IllegalTransitionError, NoSuchError
from services.consent.notices import ages
from services.consent.notices import store as notices_store
from services.consent.receipts.receipt import ReceiptAct, ReceiptEvent
from services.consent.receipts.store import StoredReceipt
from services.consent.requests import store as requests_store
from services.consent.scopes import scopes
from services.consent.scopes.scopes import Changed


class NoSuchRequestError(NoSuchError):
    """This citizen has no such request, or no such consent."""


@dataclass(frozen=True, slots=True)
class Word:
    """Whose word it is, for whom. `key` None: for a no it may be left out.

    `purposes`: those that a representative speaks for; None: all. What is about another is unknown to them.
    """

    borger_id: UUID
    giver: Giver
    actor: Actor
    key: str | None
    request_sha256: str
    new_id: Callable[[], UUID]
    purposes: frozenset[str] | None = None

    def covers(self, purpose: str) -> bool:
        """Whether it counts for the purpose."""
        return self.purposes is None or purpose in self.purposes


async def decline_consent(
    session: WriteSession,
    signer: Signer,
    word: Word,
    consent_id: UUID,
    *,
    shape: Callable[[Consent, str | None, datetime], dict[str, Any]],
) -> Answer:
    """No to one consent that waits: for an answer, or for another's signature. Said again, it changes nothing.

    Raises NoSuchRequestError, NotYourDeclarationError, IllegalTransitionError, KeyReusedError.
    """
    first = await claimed(session, word)
    if first is not None:
        return first
    found = await consents_store.find(session, consent_id, word.borger_id)
    if found is None or not word.covers(found.purpose):
        raise NoSuchRequestError
    if found.status is Status.DECLINED:
        return await completed(session, word, Answer(200, shape(found, None, await clock(session))))
    done: list[Consent] = []

    async def act(now: datetime) -> None:
        current = await consents_store.find(session, consent_id, word.borger_id)
        assert current is not None
        done.append(await decline_waiting(session, word, current, now))

    changed = await scopes.change(session, [scope_of(found)], act)
    [declined] = done
    receipt = await prove_no(session, signer, word, declined, changed=changed)
    if declined.request_id is not None:
        await settle_notices(session, word.borger_id, declined.request_id, changed.at)
    return await completed(session, word, Answer(200, shape(declined, receipt.jws, changed.at)))


async def decline_waiting(session: WriteSession, word: Word, old: Consent, now: datetime) -> Consent:
    """No to what waits, under the scope's lock.

    Raises NotYourDeclarationError for somebody whose yes is not needed, IllegalTransitionError when it has ended.
    """
    if old.status_at(now) is Status.EXPIRED:
        raise IllegalTransitionError("it has expired")
    snapshot = await load_snapshot(session, [word.borger_id])
    required_for(
        word.giver,
        old.purpose,
        old.categories,
        person=snapshot.persons[word.borger_id],
        catalogue=snapshot.catalogue,
        now=now,
    )
    declined = decline(old)
    await consents_store.replace(session, old, declined, at=now, actor_kind=word.actor.role)
    return declined


async def prove_no(
    session: WriteSession, signer: Signer, word: Word, declined: Consent, *, changed: Changed
) -> StoredReceipt:
    """The receipt of a no, and what the bus and the trail are told of it."""
    act = ReceiptAct(ReceiptEvent.DECLINED, word.giver, changed.at, epoch=changed.epochs[scope_of(declined)])
    receipt = await grants_receipt.issue_for_consent(session, signer, declined, act=act, receipt_id=word.new_id())
    events = [ConsentDeclined(declined)]
    told = consents_audit.of_events(
        events, word.actor, at=changed.at, epochs=changed.epochs, receipt_id=receipt.receipt_id
    )
    await append(session, told)
    await ages.tell_child(
        session, declined.borger_id, by=word.giver.borger_id, about=declined.consent_id, now=changed.at
    )
    return receipt


async def settle_notices(session: WriteSession, borger_id: UUID, request_id: UUID, now: datetime) -> None:
    """What was told of a request is dealt with once nothing in it waits."""
    request = await requests_store.find(session, borger_id, request_id)
    if request is not None and not request.open_items(now):
        await notices_store.mark_dealt_with(session, request_id, "citizen", now)


async def claimed(session: WriteSession, word: Word) -> Answer | None:
    """The first answer to the key; None when it is claimed now, or there is none."""
    if word.key is None:
        return None
    who = str(word.giver.borger_id)
    return await idempotency_store.claim(
        session, who, word.key, request_sha256=word.request_sha256, now=await clock(session)
    )


async def completed(session: WriteSession, word: Word, answer: Answer) -> Answer:
    """Keep the answer for the key, when there is one."""
    if word.key is not None:
        who = str(word.giver.borger_id)
        await idempotency_store.complete(session, who, word.key, status=answer.status, response=answer.response)
    return answer
