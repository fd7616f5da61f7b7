"""Refuse, and take it back (R50): an active no that overrides every consent it covers until it is lifted.

1. It is a no to a purpose and a recipient, to everything for a purpose, to everything to a recipient, or to all.
   The wide ones cover what comes later too: the decision reads them, whatever scope it is about.
2. Every scope that exists and that it covers is locked and bumped; while a wide one is written no scope appears, so
   that none slips past the drain (`scopes.store.lock_person`).
3. Lifting revives consents for what arrives from then on: what arrived while it stood stays uncovered.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.commands.requests import Request, answered, claimed, registered, registration, repeated
from services.consent.decision.snapshot import Refusal
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Withdrawal
from services.consent.http import audit as http_audit
from services.consent.http import idempotency_store
from services.consent.http.audit import Actor
from services.consent.http.signing import Signer
from services.consent.model.errors import NoSuchError, NotSpecificError
from services.consent.model.scope import ScopeKey
from services.consent.receipts import store as receipts_store
from services.consent.receipts.receipt import ReceiptAct, ReceiptEvent
from services.consent.receipts.store import StoredReceipt
from services.consent.refusals import receipt as refusals_receipt
from services.consent.refusals import store as refusals_store
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store
from services.consent.scopes.scopes import Changed

_LAST = UUID(int=2**128 - 1)


class NoSuchRefusalError(NoSuchError):
    """This citizen has no such refusal."""


async def refuse(
    session: WriteSession, signer: Signer, request: Request, *, purpose: str | None, recipient_unit: str | None
) -> Withdrawal:
    """Record an active no. None is every purpose, or every recipient.

    While it stands, repeating it is the same refusal. Raises NotSpecificError, KeyReusedError.
    """
    first = await repeated(session, request)
    if first is not None:
        return first
    catalogue = await catalogue_store.current(session)
    _check_known(catalogue, purpose, recipient_unit, await clock(session))
    keys = await _lock_covered(session, request.borger_id, purpose, recipient_unit)
    standing = await refusals_store.standing(session, request.borger_id, purpose=purpose, recipient_unit=recipient_unit)
    if standing is not None:
        earlier = await drains_store.read_of_object(session, request.borger_id, Act.REFUSAL, standing.refusal_id)
        assert earlier is not None
        return await answered(session, request, earlier)
    refusal_id = request.new_id()

    async def record(now: datetime) -> None:
        await refusals_store.add(session, request.borger_id, Refusal(refusal_id, purpose, recipient_unit, now, None))

    changed = await scopes.change(session, keys, record)
    refusal = Refusal(refusal_id, purpose, recipient_unit, changed.at, None)
    receipt = await _prove(session, signer, request, refusal, changed=changed)
    withdrawal = registration(request, Act.REFUSAL, refusal_id, at=changed.at, receipt_id=receipt.receipt_id)
    await append(session, refusals_receipt.of_refusal(refusal, withdrawal, request.actor, changed.epochs))
    return await registered(session, request, withdrawal, changed.epochs)


async def lift_refusal(session: WriteSession, signer: Signer, request: Request, refusal_id: UUID) -> str:
    """Take a refusal back, once; what arrived while it stood stays uncovered. Answers the receipt, a compact JWS.

    Raises NoSuchRefusalError, KeyReusedError.
    """
    first = await claimed(session, request)
    if first is not None:
        return str(first.response["receipt"])
    receipt = await _lifted(session, signer, request, refusal_id)
    if request.key is not None:
        answer = {"receipt": receipt}
        await idempotency_store.complete(session, request.key_owner, request.key, status=200, response=answer)
    return receipt


async def _lifted(session: WriteSession, signer: Signer, request: Request, refusal_id: UUID) -> str:
    found = await refusals_store.find(session, request.borger_id, refusal_id)
    if found is None or not request.covers(found.purpose):
        raise NoSuchRefusalError
    keys = await _lock_covered(session, request.borger_id, found.purpose, found.recipient_unit)
    standing = await refusals_store.find(session, request.borger_id, refusal_id)
    assert standing is not None
    if standing.lifted_at is not None:
        lifted = str(ReceiptEvent.REFUSAL_LIFTED)
        return (await receipts_store.of_act(session, request.borger_id, lifted, standing.lifted_at)).jws
    changed = await scopes.change(session, keys, lambda now: refusals_store.lift(session, refusal_id, now))
    refusal = replace(standing, lifted_at=changed.at)
    receipt = await _prove(session, signer, request, refusal, changed=changed)
    lifting = refusals_receipt.of_lifting(request.borger_id, refusal, request.actor, receipt=receipt)
    await append(session, [lifting])
    return receipt.jws


async def list_refusals(
    session: WriteSession,
    actor: Actor,
    borger_id: UUID,
    *,
    purposes: frozenset[str] | None,
    lifted: bool | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[Refusal, ...]:
    """A page, newest first; `lifted` None: standing and lifted ones. Audited as `refusals.listed`.

    `purposes`: what a representative's authority is about; those that are wider are not theirs to see.
    """
    now = await clock(session)
    before = after or (now, _LAST)
    found = await refusals_store.page(session, borger_id, purposes=purposes, lifted=lifted, before=before, limit=limit)
    await append(session, [http_audit.of_read("refusals.listed", actor, subject=borger_id, at=now)])
    return found


async def read_refusal(
    session: WriteSession, actor: Actor, borger_id: UUID, refusal_id: UUID, *, covers: Callable[[str | None], bool]
) -> Refusal | None:
    """One of the citizen's, audited as `refusal.read`; None when it is not the reader's to see.

    `covers`: whether the reader may see what is for a purpose, or with None for every one.
    """
    found = await refusals_store.find(session, borger_id, refusal_id)
    if found is None or not covers(found.purpose):
        return None
    objects = {"refusal_id": str(refusal_id)}
    now = await clock(session)
    await append(session, [http_audit.of_read("refusal.read", actor, subject=borger_id, at=now, objects=objects)])
    return found


async def _lock_covered(
    session: WriteSession, borger_id: UUID, purpose: str | None, recipient_unit: str | None
) -> Collection[ScopeKey]:
    """Lock every scope that such a refusal covers: the one that it names, or all that exist of a wide one's.

    With it those that a mapping ties to it (R36), as `scopes` locks them.
    """
    if purpose is not None and recipient_unit is not None:
        keys = [ScopeKey(borger_id, purpose, recipient_unit)]
        await scopes_store.create_missing(session, keys)
    else:
        await scopes_store.lock_person(session, borger_id)
        known = await scopes_store.keys_of(session, [borger_id])
        keys = [key for key in known if purpose in {None, key.purpose} and recipient_unit in {None, key.recipient_unit}]
    await scopes.lock(session, keys)
    return keys


async def _prove(
    session: WriteSession, signer: Signer, request: Request, refusal: Refusal, *, changed: Changed
) -> StoredReceipt:
    """The receipt. A refusal of one scope names the epoch that it began; one of many has no single one."""
    event = ReceiptEvent.REFUSED if refusal.lifted_at is None else ReceiptEvent.REFUSAL_LIFTED
    epoch = None
    if refusal.purpose is not None and refusal.recipient_unit is not None:
        epoch = changed.epochs[ScopeKey(request.borger_id, refusal.purpose, refusal.recipient_unit)]
    return await refusals_receipt.issue_for_refusal(
        session,
        signer,
        refusal,
        borger_id=request.borger_id,
        act=ReceiptAct(event, request.giver, changed.at, epoch=epoch),
        receipt_id=request.new_id(),
    )


def _check_known(catalogue: Catalogue, purpose: str | None, recipient_unit: str | None, now: datetime) -> None:
    if purpose is not None and catalogue.purpose(purpose, now) is None:
        raise NotSpecificError("is not a known purpose", field="purpose", known=tuple(sorted(catalogue.purposes)))
    if recipient_unit is not None and catalogue.unit(recipient_unit, now) is None:
        raise NotSpecificError("is not a known unit", field="recipient_unit", known=tuple(sorted(catalogue.units)))
