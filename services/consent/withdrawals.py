"""Withdraw and refuse: the first half of P1, one transaction that makes it true (`docs/fence.md` §2).

1. The scope is locked before anything is read that decides what happens.
2. Whoever repeats the act gets the withdrawal that it made, and with it the drain of *its* epoch. Nothing changes, also
   when the citizen has consented anew since.
3. State, epoch, receipt, idempotency key, bus and audit entries are committed together. Then `drain.py` waits.

A withdrawal is always registered at once, whatever else is down; what waits is only the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import (
    handlers_receipts,
    scopes,
    store_catalogue,
    store_consents,
    store_idempotency,
    store_receipts,
    store_refusals,
    store_scopes,
    store_withdrawals,
    withdrawal_records,
)
from services.consent.domain.acting import Giver
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.consent import withdraw
from services.consent.domain.errors import NotSpecificError
from services.consent.domain.fence import ScopeKey
from services.consent.domain.receipt import Act as ReceiptAct
from services.consent.domain.receipt import ReceiptEvent
from services.consent.domain.snapshot import Refusal
from services.consent.receipts import Signer
from services.consent.records import Actor, scope_of
from services.consent.scopes import Changed
from services.consent.store_receipts import StoredReceipt
from services.consent.store_withdrawals import Act, Withdrawal


class NoSuchConsentError(Exception):
    """This citizen has no such consent."""


class NoSuchRefusalError(Exception):
    """This citizen has no such refusal."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for the act, for whom. `key`: the idempotency key, optional; `request_sha256`: what it stands for.

    `purposes`: what a representative's authority is about.
    """

    borger_id: UUID
    giver: Giver
    actor: Actor
    key: str | None
    request_sha256: str
    new_id: Callable[[], UUID]
    purposes: frozenset[str] | None = None

    def covers(self, purpose: str) -> bool:
        """Whether it is theirs to act on; None: everything is."""
        return self.purposes is None or purpose in self.purposes


async def withdraw_consent(session: WriteSession, signer: Signer, request: Request, consent_id: UUID) -> Withdrawal:
    """End a consent by the citizen's word, once. Raises NoSuchConsentError, IllegalTransitionError, KeyReusedError."""
    repeated = await _repeated(session, request)
    if repeated is not None:
        return repeated
    found = await store_consents.find(session, consent_id, request.borger_id)
    if found is None or not request.covers(found.purpose):
        raise NoSuchConsentError
    await scopes.lock(session, [scope_of(found)])
    earlier = await store_withdrawals.read_of_object(session, request.borger_id, Act.WITHDRAWAL, consent_id)
    if earlier is not None:
        return await _answered(session, request, earlier)
    old = await store_consents.find(session, consent_id, request.borger_id)
    assert old is not None
    ended = withdraw(old)

    async def end(now: datetime) -> None:
        await store_consents.replace(session, old, ended, at=now, actor_kind=request.actor.role)

    changed = await scopes.change(session, [scope_of(old)], end)
    receipt = await handlers_receipts.issue_for_consent(
        session,
        signer,
        ended,
        act=ReceiptAct(ReceiptEvent.WITHDRAWN, request.giver, changed.at, epoch=changed.epochs[scope_of(old)]),
        receipt_id=request.new_id(),
        catalogue=await store_catalogue.current(session),
    )
    withdrawal = _withdrawal(request, Act.WITHDRAWAL, consent_id, changed=changed, receipt=receipt)
    await append(session, withdrawal_records.of_withdrawal(ended, withdrawal, request.actor, changed.epochs))
    return await _registered(session, request, withdrawal, changed)


async def refuse(
    session: WriteSession, signer: Signer, request: Request, *, purpose: str, recipient_unit: str
) -> Withdrawal:
    """Record an active no, which overrides every consent in the scope until it is lifted (R50).

    While it stands, repeating it is the same refusal. Raises NotSpecificError, KeyReusedError.
    """
    repeated = await _repeated(session, request)
    if repeated is not None:
        return repeated
    catalogue = await store_catalogue.current(session)
    _check_known(catalogue, purpose, recipient_unit, await clock(session))
    key = ScopeKey(request.borger_id, purpose, recipient_unit)
    await store_scopes.create_missing(session, [key])
    await scopes.lock(session, [key])
    standing = await store_refusals.active_in(session, key)
    if standing is not None:
        earlier = await store_withdrawals.read_of_object(session, request.borger_id, Act.REFUSAL, standing.refusal_id)
        assert earlier is not None
        return await _answered(session, request, earlier)
    refusal_id = request.new_id()

    async def record(now: datetime) -> None:
        await store_refusals.add(session, request.borger_id, Refusal(refusal_id, purpose, recipient_unit, now, None))

    changed = await scopes.change(session, [key], record)
    receipt = await handlers_receipts.issue_for_refusal(
        session,
        signer,
        Refusal(refusal_id, purpose, recipient_unit, changed.at, None),
        borger_id=request.borger_id,
        act=ReceiptAct(ReceiptEvent.REFUSED, request.giver, changed.at, epoch=changed.epochs[key]),
        receipt_id=request.new_id(),
        catalogue=catalogue,
    )
    withdrawal = _withdrawal(request, Act.REFUSAL, refusal_id, changed=changed, receipt=receipt)
    await append(session, withdrawal_records.of_refusal(key, withdrawal, request.actor, changed.epochs[key]))
    return await _registered(session, request, withdrawal, changed)


async def lift_refusal(session: WriteSession, signer: Signer, request: Request, refusal_id: UUID) -> str:
    """Take a refusal back, once; what arrived while it stood stays uncovered. Answers the receipt, a compact JWS.

    Raises NoSuchRefusalError.
    """
    found = await store_refusals.find(session, request.borger_id, refusal_id)
    if found is None or not request.covers(found.purpose):
        raise NoSuchRefusalError
    key = ScopeKey(request.borger_id, found.purpose, found.recipient_unit)
    await scopes.lock(session, [key])
    standing = await store_refusals.find(session, request.borger_id, refusal_id)
    assert standing is not None
    if standing.lifted_at is not None:
        lifted = str(ReceiptEvent.REFUSAL_LIFTED)
        return (await store_receipts.of_act(session, request.borger_id, lifted, standing.lifted_at)).jws
    changed = await scopes.change(session, [key], lambda now: store_refusals.lift(session, refusal_id, now))
    receipt = await handlers_receipts.issue_for_refusal(
        session,
        signer,
        replace(standing, lifted_at=changed.at),
        borger_id=request.borger_id,
        act=ReceiptAct(ReceiptEvent.REFUSAL_LIFTED, request.giver, changed.at, epoch=changed.epochs[key]),
        receipt_id=request.new_id(),
        catalogue=await store_catalogue.current(session),
    )
    lifting = withdrawal_records.of_lifting(key, refusal_id, request.actor, receipt=receipt)
    await append(session, [lifting])
    return receipt.jws


def _check_known(catalogue: Catalogue, purpose: str, recipient_unit: str, now: datetime) -> None:
    if catalogue.purpose(purpose, now) is None:
        raise NotSpecificError("is not a known purpose", field="purpose", known=tuple(sorted(catalogue.purposes)))
    if catalogue.unit(recipient_unit, now) is None:
        raise NotSpecificError("is not a known unit", field="recipient_unit", known=tuple(sorted(catalogue.units)))


async def _repeated(session: WriteSession, request: Request) -> Withdrawal | None:
    """What the idempotency key was answered with before; None when it is claimed by this request, or absent."""
    if request.key is None:
        return None
    first = await store_idempotency.claim(
        session,
        str(request.giver.borger_id),
        request.key,
        request_sha256=request.request_sha256,
        now=await clock(session),
    )
    if first is None:
        return None
    return await store_withdrawals.read(session, request.borger_id, UUID(first.response["withdrawal_id"]))


async def _answered(session: WriteSession, request: Request, withdrawal: Withdrawal) -> Withdrawal:
    """Let the idempotency key stand for this withdrawal from now on."""
    if request.key is not None:
        answer = {"withdrawal_id": str(withdrawal.withdrawal_id)}
        actor = str(request.giver.borger_id)
        await store_idempotency.complete(session, actor, request.key, status=200, response=answer)
    return withdrawal


async def _registered(session: WriteSession, request: Request, withdrawal: Withdrawal, changed: Changed) -> Withdrawal:
    await store_withdrawals.insert(session, withdrawal)
    await store_withdrawals.insert_scopes(session, withdrawal.withdrawal_id, changed.epochs)
    return await _answered(session, request, withdrawal)


def _withdrawal(request: Request, act: Act, object_id: UUID, *, changed: Changed, receipt: StoredReceipt) -> Withdrawal:
    return Withdrawal(
        withdrawal_id=request.new_id(),
        borger_id=request.borger_id,
        act=act,
        object_id=object_id,
        registered_at=changed.at,
        drained_at=None,
        receipt_id=receipt.receipt_id,
    )
