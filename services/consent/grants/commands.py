"""Grant: one transaction that locks the scope, decides what is declared, writes it, and proves it with a receipt.

1. The key is claimed first, so that of two requests with one key only one acts and the other gets its answer.
2. `scopes.change` locks before anything is read, and gives each (holder, category) its new epoch where it must.
3. At most one consent is in force per (citizen, purpose, holder, recipient): a new one supersedes it when it is itself
   *in force*, so that a renewal that waits for a second signature is no gap.
4. What was requested for the same question is answered by it when they have a category in common; else it still waits.
5. The receipt comes last; its lock is the last one taken.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue.entries import Catalogue
from services.consent.consents import audit as consents_audit
from services.consent.consents import store as consents_store
from services.consent.consents.audit import scope_of
from services.consent.consents.consent import ClosedReason, Consent, Declaration, Status, close, declare, expire
from services.consent.consents.ending import status_at
from services.consent.consents.events import ConsentClosed, ConsentDeclared, ConsentExpired, ConsentGranted, Event
from services.consent.consents.renewal import answered, continued, in_place_of, is_replaced
from services.consent.decision.required import required_for
from services.consent.decision.store import load_snapshot
from services.consent.decision.unit_mapping import counting_as
from services.consent.drains import store as drains_store
from services.consent.drains.store import Withdrawal
from services.consent.grants import receipt as grants_receipt
from services.consent.grants import store as grants_store
from services.consent.grants.grant import Ask, draft
from services.consent.grants.receipt import about_consent
from services.consent.http import idempotency_store
from services.consent.http.audit import Actor
from services.consent.http.idempotency_store import Answer
from services.consent.http.signing import Signer
from services.consent.model.acting import Giver
from services.consent.model.errors import NotYourDeclarationError
from services.consent.model.scope import ScopeKey
from services.consent.notices import ages
from services.consent.receipts import issue
from services.consent.receipts.receipt import ReceiptAct, ReceiptEvent
from services.consent.receipts.store import StoredReceipt
from services.consent.scopes import scopes
from services.consent.scopes.scopes import Changed


@dataclass(frozen=True, slots=True)
class Yes:
    """One giver's yes to one question. `new_id` gives the ids that the act needs."""

    ask: Ask
    giver: Giver
    actor: Actor
    new_id: Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Grant(Yes):
    """A yes that nobody asked for through us. `shape`: the answer as it is kept and sent."""

    key: str
    request_sha256: str
    shape: Callable[[Consent, str], dict[str, Any]]


@dataclass
class Outcome:
    """What the change left behind for the receipt and the outbox. `less`: than what it replaced covered."""

    consent: Consent | None = None
    catalogue: Catalogue | None = None
    events: list[Event] = field(default_factory=list)
    renewed: bool = False
    less: bool = False


async def grant_consent(session: WriteSession, signer: Signer, grant: Grant) -> Answer:
    """Store one giver's yes. 201 with the consent and the receipt; for a repeated key, the first answer.

    202: it covers less than what was in force, so it is answered only when nothing older is in flight (`drain.py`).

    Raises NotSpecificError, NotYourDeclarationError, AlreadyDeclaredError, KeyReusedError.
    """
    actor = str(grant.giver.borger_id)
    first = await idempotency_store.claim(
        session, actor, grant.key, request_sha256=grant.request_sha256, now=await clock(session)
    )
    if first is not None:
        return first
    outcome = Outcome()
    key = ScopeKey(grant.ask.borger_id, grant.ask.purpose, grant.ask.recipient_unit)
    changed = await scopes.change(session, [key], lambda now: give(session, grant, outcome, now))
    receipt = await prove(session, signer, grant, outcome, changed=changed)
    consent = outcome.consent
    assert consent is not None
    if changed.ended:
        await narrowed(session, grant.new_id(), changed, consent=consent, receipt=receipt)
    answer = Answer(202 if changed.ended else 201, grant.shape(consent, receipt.jws))
    await idempotency_store.complete(session, actor, grant.key, status=answer.status, response=answer.response)
    return answer


async def prove(
    session: WriteSession, signer: Signer, yes: Yes, outcome: Outcome, *, changed: Changed
) -> StoredReceipt:
    """The receipt of a yes, and what it ended; and what the bus and the trail are told of both."""
    consent, catalogue = outcome.consent, outcome.catalogue
    assert consent is not None
    assert catalogue is not None
    await grants_receipt.prove(session, signer, outcome.events, changed)
    receipt = await issue.issue(
        session,
        signer,
        subject=consent.borger_id,
        act=_act(yes, outcome, changed),
        about=lambda words: about_consent(consent, words, supersedes=_superseded(outcome)),
        receipt_id=yes.new_id(),
        catalogue=catalogue,
    )
    await append(
        session,
        consents_audit.of_events(
            outcome.events, yes.actor, at=changed.at, epochs=changed.epochs, receipt_id=receipt.receipt_id
        ),
    )
    await ages.tell_child(session, consent.borger_id, by=yes.giver.borger_id, about=consent.consent_id, now=changed.at)
    return receipt


async def narrowed(
    session: WriteSession, withdrawal_id: UUID, changed: Changed, *, consent: Consent, receipt: StoredReceipt
) -> None:
    """What the new consent leaves out is withdrawn: its answer waits for a drain, as any withdrawal's."""
    withdrawal = Withdrawal(
        withdrawal_id=withdrawal_id,
        borger_id=consent.borger_id,
        act=drains_store.Act.NARROWING,
        object_id=consent.consent_id,
        registered_at=changed.at,
        drained_at=None,
        receipt_id=receipt.receipt_id,
    )
    await drains_store.insert(session, withdrawal)
    await drains_store.insert_scopes(session, withdrawal.withdrawal_id, changed.epochs)


async def give(session: WriteSession, yes: Yes, outcome: Outcome, now: datetime) -> None:
    """The change itself, under the scope's lock. Raises as `grant_consent` does."""
    ask = yes.ask
    snapshot = await load_snapshot(session, [ask.borger_id])
    person = snapshot.persons.get(ask.borger_id)
    if person is None:
        raise NotYourDeclarationError("nobody is known by that id")
    catalogue = outcome.catalogue = snapshot.catalogue
    asked = draft(ask, catalogue, born=person.birth_date, consent_id=yes.new_id(), now=now)
    required = required_for(yes.giver, ask.purpose, ask.categories, person=person, catalogue=catalogue, now=now)
    running = await _running(session, ask, catalogue, now)
    waiting = continued(running, asked, now)
    begun = asked if waiting is None else answered(waiting, asked)
    declared = declare(begun, _declaration(yes, now), required=required, until=asked.valid_until, now=now)
    active = declared.status is Status.ACTIVE
    outcome.renewed = any(status_at(item, catalogue, now) is Status.ACTIVE for item in running)
    ended = [item for item in running if item is not waiting and is_replaced(item, declared, now)]
    outcome.less = any(
        status_at(item, catalogue, now) is Status.ACTIVE and not item.categories <= declared.categories
        for item in ended
    )
    declared = in_place_of(declared, ended, now)
    await _end(session, ended, outcome, now)
    if waiting is None:
        await consents_store.add(session, declared, at=now, actor_kind=yes.actor.role)
    else:
        await consents_store.replace(session, waiting, declared, at=now, actor_kind=yes.actor.role)
    await grants_store.hand_over(session, [item.consent_id for item in ended], declared)
    outcome.consent = declared
    granted = ConsentGranted(declared, renewed=outcome.renewed) if active else ConsentDeclared(declared)
    outcome.events.append(granted)


async def _running(session: WriteSession, ask: Ask, catalogue: Catalogue, now: datetime) -> tuple[Consent, ...]:
    """What is in force or waits for the same question, also where it names units that count for those asked (R36)."""
    pairs = product(
        sorted(counting_as(ask.holder_unit, catalogue, now)), sorted(counting_as(ask.recipient_unit, catalogue, now))
    )
    found = [await consents_store.open_for(session, ask.borger_id, ask.purpose, pair) for pair in pairs]
    return tuple(consent for consents in found for consent in consents)


async def _end(session: WriteSession, ended: list[Consent], outcome: Outcome, now: datetime) -> None:
    """Close what the new one replaces, or write down that it had expired."""
    assert outcome.catalogue is not None
    for old in ended:
        expired = status_at(old, outcome.catalogue, now) is Status.EXPIRED
        new = expire(old) if expired else close(old, ClosedReason.SUPERSEDED)
        await consents_store.replace(session, old, new, at=now, actor_kind="service")
        outcome.events.append(ConsentExpired(new) if expired else ConsentClosed(new))


def _declaration(yes: Yes, now: datetime) -> Declaration:
    giver = yes.giver
    return Declaration(
        declaration_id=yes.new_id(),
        giver=giver.borger_id,
        role=giver.role,
        method=giver.method,
        assurance=giver.assurance,
        at=now,
        text_sha256=yes.ask.text_sha256,
        affirmed_special=yes.ask.affirmed_special,
        authority_id=giver.authority_id,
        attested_by=giver.attested_by,
        attested_unit=giver.attested_unit,
        confirmed_by=giver.confirmed_by,
    )


def _act(yes: Yes, outcome: Outcome, changed: Changed) -> ReceiptAct:
    consent = outcome.consent
    assert consent is not None
    event = ReceiptEvent.RENEWED if outcome.renewed else ReceiptEvent.GIVEN
    if consent.status is not Status.ACTIVE:
        event = ReceiptEvent.DECLARED
    elif changed.ended and outcome.less:
        event = ReceiptEvent.NARROWED
    return ReceiptAct(event, yes.giver, changed.at, epoch=changed.epochs[scope_of(consent)])


def _superseded(outcome: Outcome) -> frozenset[UUID]:
    return frozenset(item.consent.consent_id for item in outcome.events if isinstance(item, ConsentClosed))
