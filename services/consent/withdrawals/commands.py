"""Withdraw one consent, several, or everything: the first half of P1, one transaction (`docs/fence.md`).

1. The scopes are locked before anything is read that decides what happens.
2. Whoever repeats the act gets the withdrawal that it made, and with it the drain of *its* epochs. Nothing changes,
   also when the citizen has consented anew since.
3. State, epochs, receipts, idempotency key, bus and audit entries are committed together. Then `drain.py` waits.
4. No reason is asked, and no state that a consent may be in is an obstacle: what is only asked for is declined, what
   waits for a signature is withdrawn, and what had ended is quietly said to have ended (R7).

A withdrawal is always registered at once, whatever else is down; what waits is only the answer.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import Message, append
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.commands.requests import Request, answered, registered, registration, repeated
from services.consent.consents import audit as consents_audit
from services.consent.consents import store as consents_store
from services.consent.consents.audit import scope_of
from services.consent.consents.consent import ClosedReason, Consent, Status, decline, expire, withdraw
from services.consent.consents.ending import status_at
from services.consent.consents.events import ConsentExpired
from services.consent.decision.unit_mapping import together
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Outcome, Part, Withdrawal
from services.consent.grants import receipt as grants_receipt
from services.consent.http.audit import Actor
from services.consent.http.signing import Signer
from services.consent.model.acting import SERVICE, Giver
from services.consent.model.errors import IllegalTransitionError, NoSuchConsentError
from services.consent.model.scope import ScopeKey
from services.consent.notices import ages
from services.consent.receipts.receipt import ReceiptAct, ReceiptEvent
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store
from services.consent.scopes.scopes import Changed
from services.consent.withdrawals import audit as withdrawals_audit


async def withdraw_consent(session: WriteSession, signer: Signer, request: Request, consent_id: UUID) -> Withdrawal:
    """End a consent by the citizen's word, once.

    Raises NoSuchConsentError, KeyReusedError, and IllegalTransitionError when a newer one has replaced it: an answer
    that it has ended would hide that the newer one stands.
    """
    first = await repeated(session, request)
    if first is not None:
        return first
    found = await consents_store.find(session, consent_id, request.borger_id)
    if found is None or not request.covers(found.purpose):
        raise NoSuchConsentError
    await _lock(session, [scope_of(found)])
    earlier = await drains_store.read_of_consent(
        session, request.borger_id, consent_id
    ) or await drains_store.read_of_object(session, request.borger_id, Act.WITHDRAWAL, consent_id)
    if earlier is not None:
        return await answered(session, request, earlier)
    current = await consents_store.find(session, consent_id, request.borger_id)
    if current is not None and current.closed_reason is ClosedReason.SUPERSEDED:
        raise IllegalTransitionError("a newer consent has replaced it")
    return await _end(session, signer, request, _Extent(Act.WITHDRAWAL, consent_id, [scope_of(found)], [consent_id]))


async def withdraw_consents(
    session: WriteSession, signer: Signer, request: Request, consent_ids: Collection[UUID]
) -> Withdrawal:
    """End all of these in one act. Repeating it, by key or with the same consents, is the same act.

    Raises NoSuchConsentError when one of them is not this citizen's: then nothing has happened. Raises KeyReusedError.
    """
    first = await repeated(session, request)
    if first is not None:
        return first
    wanted = sorted(set(consent_ids))
    found = await consents_store.find_all(session, request.borger_id, wanted)
    if len(found) != len(wanted) or not all(request.covers(consent.purpose) for consent in found):
        raise NoSuchConsentError
    keys = sorted({scope_of(consent) for consent in found})
    await _lock(session, keys)
    act_id = uuid5(request.borger_id, " ".join(str(consent_id) for consent_id in wanted))
    earlier = await drains_store.read_of_object(session, request.borger_id, Act.WITHDRAWALS, act_id)
    if earlier is not None:
        return await answered(session, request, earlier)
    return await _end(session, signer, request, _Extent(Act.WITHDRAWALS, act_id, keys, wanted))


async def withdraw_everything(session: WriteSession, signer: Signer, request: Request) -> Withdrawal:
    """End all that is open, and wait for what is in flight in any of the citizen's scopes. Raises KeyReusedError.

    By a representative for some purposes: all that is theirs to act on.
    """
    first = await repeated(session, request)
    if first is not None:
        return first
    await scopes_store.lock_person(session, request.borger_id)
    waiting = [scope_of(consent) for consent in await consents_store.open_of(session, request.borger_id)]
    known = {*await scopes_store.keys_of(session, [request.borger_id]), *waiting}
    keys = sorted(key for key in known if request.covers(key.purpose))
    await _lock(session, keys)
    return await _end(session, signer, request, _Extent(Act.WITHDRAWALS, request.new_id(), keys, None))


@dataclass(frozen=True, slots=True)
class _Extent:
    """How far an act goes. `consents` None: all that are open under the locks."""

    act: Act
    object_id: UUID
    keys: list[ScopeKey]
    consents: list[UUID] | None


@dataclass(frozen=True, slots=True)
class _Ended:
    """A consent after the act, and what the act was to it."""

    consent: Consent
    outcome: Outcome
    event: ReceiptEvent | None


async def _end(session: WriteSession, signer: Signer, request: Request, extent: _Extent) -> Withdrawal:
    ended: list[_Ended] = []
    catalogue = await catalogue_store.current(session)

    async def end(now: datetime) -> None:
        if extent.consents is None:
            opened = await consents_store.open_of(session, request.borger_id)
            found = tuple(consent for consent in opened if request.covers(consent.purpose))
        else:
            found = await consents_store.find_all(session, request.borger_id, extent.consents)
        for old in found:
            ended.append(_ended(old, catalogue, now))
            if ended[-1].consent is not old:
                new, kind = ended[-1].consent, request.actor.role
                await consents_store.replace(session, old, new, at=now, actor_kind=kind)

    changed = await scopes.change(session, extent.keys, end)
    parts = [await _prove(session, signer, request, item, changed=changed) for item in ended]
    only = parts[0].receipt_id if extent.act is Act.WITHDRAWAL else None
    withdrawal = registration(request, extent.act, extent.object_id, at=changed.at, receipt_id=only)
    for item, part in zip(ended, parts, strict=True):
        own = together([scope_of(item.consent)], catalogue, changed.at)
        epochs = {key: epoch for key, epoch in sorted(changed.epochs.items()) if key in own}
        await append(session, _told(item, part, withdrawal, request.actor, epochs=epochs))
    await registered(session, request, withdrawal, changed.epochs)
    await drains_store.insert_parts(session, withdrawal.withdrawal_id, parts)
    for item in ended:
        if isinstance(request.giver, Giver) and item.event is not None:
            consent_id = item.consent.consent_id
            await ages.tell_child(
                session, request.borger_id, by=request.giver.borger_id, about=consent_id, now=changed.at
            )
    return withdrawal


def _ended(old: Consent, catalogue: Catalogue, now: datetime) -> _Ended:
    """What the citizen's word makes of a consent in whatever state it is."""
    if old.status not in {Status.REQUESTED, Status.PENDING_SIGNATURE, Status.ACTIVE}:
        replaced = old.closed_reason is ClosedReason.SUPERSEDED
        return _Ended(old, "replaced" if replaced else "already_ended", None)
    if status_at(old, catalogue, now) is Status.EXPIRED:
        return _Ended(expire(old), "already_ended", ReceiptEvent.EXPIRED)
    if old.status is Status.REQUESTED:
        return _Ended(decline(old), "declined", ReceiptEvent.DECLINED)
    return _Ended(withdraw(old), "withdrawn", ReceiptEvent.WITHDRAWN)


async def _prove(session: WriteSession, signer: Signer, request: Request, item: _Ended, *, changed: Changed) -> Part:
    """One receipt for each consent that the act ended, and none for what had ended before."""
    if item.event is None:
        return Part(item.consent.consent_id, item.outcome, None, None)
    by = SERVICE if item.event is ReceiptEvent.EXPIRED else request.giver
    receipt = await grants_receipt.issue_for_consent(
        session,
        signer,
        item.consent,
        act=ReceiptAct(item.event, by, changed.at, epoch=changed.epochs[scope_of(item.consent)]),
        receipt_id=request.new_id(),
        catalogue=await catalogue_store.current(session),
    )
    return Part(item.consent.consent_id, item.outcome, receipt.receipt_id, receipt.jws)


def _told(
    item: _Ended, part: Part, withdrawal: Withdrawal, actor: Actor, *, epochs: Mapping[ScopeKey, int]
) -> list[Message]:
    if item.event is ReceiptEvent.EXPIRED:
        return consents_audit.of_events(
            [ConsentExpired(item.consent)], actor, at=withdrawal.registered_at, epochs=epochs
        )
    return withdrawals_audit.of_consent(item.consent, part, withdrawal, actor, epochs=epochs)


async def _lock(session: WriteSession, keys: Collection[ScopeKey]) -> None:
    """What was only asked for may have no scope yet."""
    await scopes_store.create_missing(session, keys)
    await scopes.lock(session, keys)
