"""Restrict, and lift it again (GDPR art. 18, R27): what is restricted is kept, and not used.

1. It is about one consent, or about everything, on one of the four grounds of art. 18(1). It ends the right to disclose
   as a refusal does: scopes locked and bumped, answered when nothing older is in flight.
2. The citizen lifts it when they want to. The data protection officer first tells the citizen that it will be lifted
   (art. 18(3)), and lifts it when the days that they are given have passed.
3. Lifting revives consents for what arrives from then on.
4. A restriction of one consent is of that consent: one that replaces it is a new word, which art. 18(2) lets be used.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append, audit_message
from services.consent.commands.audit import entry_of
from services.consent.commands.requests import Request, answered, registered, registration, repeated
from services.consent.consents import store as consents_store
from services.consent.consents.audit import scope_of
from services.consent.decision.snapshot import Restriction
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Withdrawal
from services.consent.http import audit as http_audit
from services.consent.http.audit import PRODUCER, Actor
from services.consent.http.signing import Signer
from services.consent.model.errors import NoSuchConsentError, NoSuchError
from services.consent.model.scope import ScopeKey
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice
from services.consent.receipts import issue
from services.consent.receipts import store as receipts_store
from services.consent.receipts.receipt import ReceiptAct, ReceiptEvent
from services.consent.receipts.store import StoredReceipt
from services.consent.restrictions import store as restrictions_store
from services.consent.restrictions.receipt import about_restriction
from services.consent.restrictions.store import Kept
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store

TO_BE_LIFTED = "restriction_to_be_lifted"
_LAST = UUID(int=2**128 - 1)


class NoSuchRestrictionError(NoSuchError):
    """This citizen has no such restriction."""


class NotAnnouncedError(Exception):
    """The citizen has not been told that it will be lifted, or not long enough ago (art. 18(3))."""


async def restrict(
    session: WriteSession, signer: Signer, request: Request, *, consent_id: UUID | None, ground: str
) -> Withdrawal:
    """Restrict one consent, or everything. While it stands, repeating it on the same ground is the same restriction.

    Raises NoSuchConsentError, KeyReusedError.
    """
    first = await repeated(session, request)
    if first is not None:
        return first
    keys = await _lock_covered(session, request.borger_id, consent_id)
    standing = await restrictions_store.standing(session, request.borger_id, consent_id, ground)
    if standing is not None:
        earlier = await drains_store.read_of_object(
            session, request.borger_id, Act.RESTRICTION, standing.restriction.restriction_id
        )
        assert earlier is not None
        return await answered(session, request, earlier)
    role = request.actor.role
    made = Kept(Restriction(request.new_id(), consent_id, await clock(session), None), request.borger_id, ground, role)

    async def record(now: datetime) -> None:
        nonlocal made
        made = replace(made, restriction=replace(made.restriction, recorded_at=now))
        await restrictions_store.add(session, made)

    changed = await scopes.change(session, keys, record)
    receipt = await _prove(session, signer, request, made, at=changed.at)
    await _told(session, "restriction.recorded", made, request.actor, at=changed.at, receipt=receipt)
    made_id = made.restriction.restriction_id
    withdrawal = registration(request, Act.RESTRICTION, made_id, at=changed.at, receipt_id=receipt.receipt_id)
    return await registered(session, request, withdrawal, changed.epochs)


async def announce_lifting(session: WriteSession, actor: Actor, borger_id: UUID, restriction_id: UUID) -> Kept:
    """Tell the citizen that it will be lifted; once is enough. Raises NoSuchRestrictionError."""
    found = await restrictions_store.find(session, borger_id, restriction_id)
    if found is None:
        raise NoSuchRestrictionError
    await _lock_covered(session, borger_id, found.restriction.consent_id)
    found = await restrictions_store.find(session, borger_id, restriction_id)
    assert found is not None
    if found.announced_at is not None or found.restriction.lifted_at is not None:
        return found
    now = await clock(session)
    await restrictions_store.announce(session, restriction_id, now)
    await notices_store.add(session, Notice(uuid4(), borger_id, "citizen", TO_BE_LIFTED, restriction_id, now))
    await _told(session, "restriction.lifting_announced", found, actor, at=now)
    return replace(found, announced_at=now)


async def lift(
    session: WriteSession, signer: Signer, request: Request, restriction_id: UUID, *, notice: timedelta | None
) -> str:
    """Lift it, once. `notice`: how long before the citizen must have been told; None: it is the citizen who lifts it.

    Answers the receipt, a compact JWS. Raises NoSuchRestrictionError, NotAnnouncedError.
    """
    found = await restrictions_store.find(session, request.borger_id, restriction_id)
    if found is None:
        raise NoSuchRestrictionError
    keys = await _lock_covered(session, request.borger_id, found.restriction.consent_id)
    standing = await restrictions_store.find(session, request.borger_id, restriction_id)
    assert standing is not None
    lifted_at = standing.restriction.lifted_at
    if lifted_at is not None:
        event = str(ReceiptEvent.RESTRICTION_LIFTED)
        return (await receipts_store.of_act(session, request.borger_id, event, lifted_at)).jws
    now = await clock(session)
    if notice is not None and (standing.announced_at is None or now < standing.announced_at + notice):
        raise NotAnnouncedError
    role = request.actor.role
    changed = await scopes.change(session, keys, lambda at: restrictions_store.lift(session, restriction_id, at, role))
    ended = replace(standing, restriction=replace(standing.restriction, lifted_at=changed.at), lifted_by=role)
    receipt = await _prove(session, signer, request, ended, at=changed.at)
    await _told(session, "restriction.lifted", ended, request.actor, at=changed.at, receipt=receipt)
    return receipt.jws


async def list_restrictions(
    session: WriteSession, actor: Actor, borger_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> tuple[Kept, ...]:
    """A page, newest first, standing and lifted. Audited as `restrictions.listed`."""
    now = await clock(session)
    found = await restrictions_store.page(session, borger_id, after or (now, _LAST), limit)
    await append(session, [http_audit.of_read("restrictions.listed", actor, subject=borger_id, at=now)])
    return found


async def _lock_covered(session: WriteSession, borger_id: UUID, consent_id: UUID | None) -> Collection[ScopeKey]:
    """Lock the scope of the consent, or every scope of the person's. Raises NoSuchConsentError."""
    if consent_id is None:
        await scopes_store.lock_person(session, borger_id)
        keys = await scopes_store.keys_of(session, [borger_id])
    else:
        consent = await consents_store.find(session, consent_id, borger_id)
        if consent is None:
            raise NoSuchConsentError
        keys = [scope_of(consent)]
        await scopes_store.create_missing(session, keys)
    await scopes.lock(session, keys)
    return keys


async def _prove(session: WriteSession, signer: Signer, request: Request, kept: Kept, *, at: datetime) -> StoredReceipt:
    lifted = kept.restriction.lifted_at is not None
    event = ReceiptEvent.RESTRICTION_LIFTED if lifted else ReceiptEvent.RESTRICTED
    return await issue.issue(
        session,
        signer,
        subject=request.borger_id,
        act=ReceiptAct(event, request.giver, at, reason=kept.ground),
        about=lambda _: about_restriction(request.borger_id, kept.restriction, kept.ground),
        receipt_id=request.new_id(),
    )


async def _told(
    session: WriteSession, kind: str, kept: Kept, actor: Actor, *, at: datetime, receipt: StoredReceipt | None = None
) -> None:
    """In the trail. The bus has no word for it: what is open is refused when it is asked for."""
    objects = {"restriction_id": str(kept.restriction.restriction_id)}
    if kept.restriction.consent_id is not None:
        objects["consent_id"] = str(kept.restriction.consent_id)
    if receipt is not None:
        objects["receipt_id"] = str(receipt.receipt_id)
    entry = entry_of(kind, kept.borger_id, actor, at=at, objects=objects)
    await append(session, [audit_message(PRODUCER, entry.model_copy(update={"reason": kept.ground}))])
