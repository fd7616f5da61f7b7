"""Grant: one transaction that locks the scope, decides what is declared, writes it, and proves it with a receipt.

1. The key is claimed first, so that of two requests with one key only one acts and the other gets its answer.
2. `scopes.change` locks before anything is read, and gives each (holder, category) its new epoch where it must.
3. At most one consent is in force per (citizen, purpose, holder, recipient): a new one supersedes it when it is itself
   *in force*, so that a renewal that waits for a second signature is no gap.
4. The receipt comes last; its lock is the last one taken.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import (
    handlers_endings,
    handlers_receipts,
    records,
    scopes,
    store_consents,
    store_idempotency,
    store_withdrawals,
)
from services.consent.domain.acting import Giver
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.consent import ClosedReason, Consent, Declaration, Status, close, declare, expire
from services.consent.domain.decision import is_special, represented
from services.consent.domain.errors import NotSpecificError, NotYourDeclarationError
from services.consent.domain.events import ConsentClosed, ConsentDeclared, ConsentExpired, ConsentGranted, Event
from services.consent.domain.family import required_givers
from services.consent.domain.fence import ScopeKey
from services.consent.domain.grant import Ask, draft
from services.consent.domain.receipt import Act, ReceiptEvent
from services.consent.domain.receipt_about import about_consent
from services.consent.domain.snapshot import Person
from services.consent.receipts import Signer
from services.consent.records import Actor, scope_of
from services.consent.scopes import Changed
from services.consent.store_idempotency import Answer
from services.consent.store_receipts import StoredReceipt
from services.consent.store_snapshot import load_snapshot
from services.consent.store_withdrawals import Withdrawal


@dataclass(frozen=True, slots=True)
class Grant:
    """One request to grant. `new_id` gives the ids that the act needs; `shape` the answer as it is kept and sent."""

    ask: Ask
    giver: Giver
    actor: Actor
    key: str
    request_sha256: str
    new_id: Callable[[], UUID]
    shape: Callable[[Consent, str], dict[str, Any]]


@dataclass
class _Outcome:
    """What the change left behind for the receipt and the outbox."""

    consent: Consent | None = None
    catalogue: Catalogue | None = None
    events: list[Event] = field(default_factory=list)
    renewed: bool = False


async def grant_consent(session: WriteSession, signer: Signer, grant: Grant) -> Answer:
    """Store one giver's yes. 201 with the consent and the receipt; for a repeated key, the first answer.

    202: it covers less than what was in force, so it is answered only when nothing older is in flight (`drain.py`).

    Raises NotSpecificError, NotYourDeclarationError, AlreadyDeclaredError, KeyReusedError.
    """
    actor = str(grant.giver.borger_id)
    first = await store_idempotency.claim(
        session, actor, grant.key, request_sha256=grant.request_sha256, now=await clock(session)
    )
    if first is not None:
        return first
    outcome = _Outcome()
    key = ScopeKey(grant.ask.borger_id, grant.ask.purpose, grant.ask.recipient_unit)
    changed = await scopes.change(session, [key], lambda now: _declare(session, grant, outcome, now))
    consent, catalogue = outcome.consent, outcome.catalogue
    assert consent is not None
    assert catalogue is not None
    await handlers_endings.prove(session, signer, outcome.events, changed)
    receipt = await handlers_receipts.issue(
        session,
        signer,
        subject=consent.borger_id,
        act=_act(grant, outcome, changed),
        about=lambda words: about_consent(consent, words, supersedes=_superseded(outcome)),
        receipt_id=grant.new_id(),
        catalogue=catalogue,
    )
    await append(
        session,
        records.of_events(
            outcome.events, grant.actor, at=changed.at, epochs=changed.epochs, receipt_id=receipt.receipt_id
        ),
    )
    if changed.ended:
        await _narrowed(session, grant, changed, consent=consent, receipt=receipt)
    answer = Answer(202 if changed.ended else 201, grant.shape(consent, receipt.jws))
    await store_idempotency.complete(session, actor, grant.key, status=answer.status, response=answer.response)
    return answer


async def _narrowed(
    session: WriteSession, grant: Grant, changed: Changed, *, consent: Consent, receipt: StoredReceipt
) -> None:
    """What the new consent leaves out is withdrawn: its answer waits for a drain, as any withdrawal's (fence.md §2)."""
    withdrawal = Withdrawal(
        withdrawal_id=grant.new_id(),
        borger_id=consent.borger_id,
        act=store_withdrawals.Act.NARROWING,
        object_id=consent.consent_id,
        registered_at=changed.at,
        drained_at=None,
        receipt_id=receipt.receipt_id,
    )
    await store_withdrawals.insert(session, withdrawal)
    await store_withdrawals.insert_scopes(session, withdrawal.withdrawal_id, changed.epochs)


async def _declare(session: WriteSession, grant: Grant, outcome: _Outcome, now: datetime) -> None:
    """The change itself, under the scope's lock."""
    ask = grant.ask
    snapshot = await load_snapshot(session, [ask.borger_id])
    person = snapshot.persons.get(ask.borger_id)
    if person is None:
        raise NotYourDeclarationError("nobody is known by that id")
    catalogue = outcome.catalogue = snapshot.catalogue
    asked = draft(ask, catalogue, born=person.birth_date, consent_id=grant.new_id(), now=now)
    required = _required(grant, person, catalogue, now)
    running = await store_consents.open_for(session, ask.borger_id, ask.purpose, (ask.holder_unit, ask.recipient_unit))
    waiting = _waiting(running, asked, now)
    declared = declare(waiting or asked, _declaration(grant, now), required=required, until=asked.valid_until, now=now)
    active = declared.status is Status.ACTIVE
    outcome.renewed = any(item.status_at(now) is Status.ACTIVE for item in running)
    ended = [item for item in running if item is not waiting and (active or item.status is not Status.ACTIVE)]
    await _end(session, ended, outcome, now)
    if waiting is None:
        await store_consents.add(session, declared, at=now, actor_kind=grant.actor.role)
    else:
        await store_consents.replace(session, waiting, declared, at=now, actor_kind=grant.actor.role)
    outcome.consent = declared
    granted = ConsentGranted(declared, renewed=outcome.renewed) if active else ConsentDeclared(declared)
    outcome.events.append(granted)


def _required(grant: Grant, person: Person, catalogue: Catalogue, now: datetime) -> frozenset[UUID]:
    """Whose declarations are asked for, where the giver's stands for the citizen's when they speak for them."""
    ask, giver, policy = grant.ask, grant.giver, catalogue.policy(now)
    if policy is None:
        raise NotSpecificError("no policy is in force", field="purpose")
    special = is_special(ask.categories, catalogue, now)
    required = required_givers(
        person.borger_id, person.birth_date, person.custody, special=special, policy=policy, now=now
    )
    whose = represented(person, policy, now).counts_as(giver.borger_id, giver.authority_id, ask.purpose)
    if whose is None or whose not in required:
        raise NotYourDeclarationError("this person's declaration is not asked for")
    return required - {whose} | {giver.borger_id}


def _waiting(running: tuple[Consent, ...], asked: Consent, now: datetime) -> Consent | None:
    """The consent to the very same that waits for this giver's declaration."""
    pending = (item for item in running if item.status_at(now) is Status.PENDING_SIGNATURE)
    return next((item for item in pending if item.same_content(asked)), None)


async def _end(session: WriteSession, ended: list[Consent], outcome: _Outcome, now: datetime) -> None:
    """Close what the new one replaces, or write down that it had expired."""
    for old in ended:
        expired = old.status_at(now) is Status.EXPIRED
        new = expire(old) if expired else close(old, ClosedReason.SUPERSEDED)
        await store_consents.replace(session, old, new, at=now, actor_kind="service")
        outcome.events.append(ConsentExpired(new) if expired else ConsentClosed(new))


def _declaration(grant: Grant, now: datetime) -> Declaration:
    giver = grant.giver
    return Declaration(
        declaration_id=grant.new_id(),
        giver=giver.borger_id,
        role=giver.role,
        method=giver.method,
        assurance=giver.assurance,
        at=now,
        text_sha256=grant.ask.text_sha256,
        affirmed_special=grant.ask.affirmed_special,
        authority_id=giver.authority_id,
        attested_by=giver.attested_by,
        attested_unit=giver.attested_unit,
        confirmed_by=giver.confirmed_by,
    )


def _act(grant: Grant, outcome: _Outcome, changed: Changed) -> Act:
    consent = outcome.consent
    assert consent is not None
    event = ReceiptEvent.RENEWED if outcome.renewed else ReceiptEvent.GIVEN
    if consent.status is not Status.ACTIVE:
        event = ReceiptEvent.DECLARED
    elif changed.ended:
        event = ReceiptEvent.NARROWED
    return Act(event, grant.giver, changed.at, epoch=changed.epochs[scope_of(consent)])


def _superseded(outcome: _Outcome) -> frozenset[UUID]:
    return frozenset(item.consent.consent_id for item in outcome.events if isinstance(item, ConsentClosed))
