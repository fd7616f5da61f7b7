"""What becomes of a request that waits: reminded of once, taken back, or lapsed because nobody answered (U8, R9).

Each turn locks the request's scopes first, so that it comes before an answer or after it, never in between.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.consents import audit as consents_audit
from services.consent.consents import store as consents_store
from services.consent.consents.audit import scope_of
from services.consent.consents.consent import ClosedReason, close, expire
from services.consent.consents.events import ConsentClosed, ConsentExpired, Event
from services.consent.decision.required import asked_of
from services.consent.decision.store import load_snapshot
from services.consent.grants import receipt as grants_receipt
from services.consent.http import idempotency_store
from services.consent.http.audit import SERVICE
from services.consent.http.idempotency_store import Answer
from services.consent.http.signing import Signer
from services.consent.model.scope import ScopeKey
from services.consent.notices import store as notices_store
from services.consent.requests import audit as requests_audit
from services.consent.requests import store as requests_store
from services.consent.requests.asking import Requester, tell
from services.consent.requests.request import Item, Request, cancel, remind
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store

Precondition = Callable[[Request, datetime], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a unit does about one of its requests. `precondition` raises when it was read in another state than now."""

    by: Requester
    request_id: UUID
    key: str
    request_sha256: str
    precondition: Precondition
    new_id: Callable[[], UUID]
    shape: Callable[[Request, datetime], dict[str, Any]]


@dataclass
class _Left:
    """What a turn left behind."""

    request: Request | None = None
    events: list[Event] = field(default_factory=list)


async def remind_citizen(session: WriteSession, turn: Turn, *, after: timedelta) -> Answer | None:
    """Tell once more that it waits. 200 with the request; None when the unit has no such request.

    Raises what the precondition does, NotOpenError, AlreadyRemindedError, TooSoonError, KeyReusedError.
    """
    found = await requests_store.find_of_unit(session, turn.by.unit, turn.request_id)
    if found is None:
        return None
    first = await _claimed(session, turn)
    if first is not None:
        return first
    await scopes_store.lock(session, scopes_of(found))
    now, old = await clock(session), await requests_store.find(session, found.borger_id, turn.request_id)
    assert old is not None
    turn.precondition(old, now)
    reminded = remind(old, after=after, now=now)
    await requests_store.save(session, old, reminded)
    await append(session, [requests_audit.of_request("reminded", reminded, turn.by.actor, at=now)])
    missing = await _missing(session, reminded, now)
    await tell(session, reminded, missing, "consent_request_reminder", at=now, new_id=turn.new_id)
    return await _answered(session, turn, reminded, now)


async def cancel_request(session: WriteSession, signer: Signer, turn: Turn) -> Answer | None:
    """Take back what has not been answered. 200 with the request; None when the unit has no such request.

    Raises what the precondition does, NotOpenError, KeyReusedError.
    """
    found = await requests_store.find_of_unit(session, turn.by.unit, turn.request_id)
    if found is None:
        return None
    first = await _claimed(session, turn)
    if first is not None:
        return first
    left = _Left()
    changed = await scopes.change(session, scopes_of(found), lambda now: _cancel(session, turn, found, left, now=now))
    assert left.request is not None
    await grants_receipt.prove(session, signer, left.events, changed)
    actor = turn.by.actor
    await append(session, consents_audit.of_events(left.events, actor, at=changed.at, epochs=changed.epochs))
    await append(session, [requests_audit.of_request("cancelled", left.request, actor, at=changed.at)])
    await notices_store.mark_dealt_with(session, turn.request_id, "citizen", changed.at)
    return await _answered(session, turn, left.request, changed.at)


async def lapse(session: WriteSession, signer: Signer, borger_id: UUID, request_id: UUID) -> bool:
    """Write down that the time to answer has passed. False when nothing waited any more."""
    found = await requests_store.find(session, borger_id, request_id)
    if found is None:
        return False
    left = _Left()
    changed = await scopes.change(session, scopes_of(found), lambda now: _lapse(session, found, left, now))
    if left.request is None:
        return False
    await grants_receipt.prove(session, signer, left.events, changed)
    await append(session, consents_audit.of_events(left.events, SERVICE, at=changed.at, epochs=changed.epochs))
    await append(session, [requests_audit.of_request("lapsed", left.request, SERVICE, at=changed.at)])
    await notices_store.mark_dealt_with(session, request_id, "citizen", changed.at)
    return True


def scopes_of(request: Request) -> set[ScopeKey]:
    """The scopes of its items."""
    return {scope_of(item.consent) for item in request.items}


async def _cancel(session: WriteSession, turn: Turn, found: Request, left: _Left, *, now: datetime) -> None:
    old = await requests_store.find(session, found.borger_id, found.request_id)
    assert old is not None
    turn.precondition(old, now)
    left.request = cancel(old, now)
    await requests_store.save(session, old, left.request)
    for item in old.open_items(now):
        closed = close(item.consent, ClosedReason.REQUEST_CANCELLED)
        await consents_store.replace(session, item.consent, closed, at=now, actor_kind=turn.by.function)
        left.events.append(ConsentClosed(closed))


async def _lapse(session: WriteSession, found: Request, left: _Left, now: datetime) -> None:
    request = await requests_store.find(session, found.borger_id, found.request_id)
    assert request is not None
    for item in request.items:
        if item.is_lapsed(now) and item.consent.is_open:
            expired = expire(item.consent)
            await consents_store.replace(session, item.consent, expired, at=now, actor_kind="service")
            left.events.append(ConsentExpired(expired))
            left.request = request


async def _missing(session: WriteSession, request: Request, now: datetime) -> frozenset[UUID]:
    """Those whose word an open item still needs."""
    snapshot = await load_snapshot(session, [request.borger_id])
    person = snapshot.persons[request.borger_id]

    def wanted(item: Item) -> frozenset[UUID]:
        said = {declaration.giver for declaration in item.consent.declarations}
        return asked_of(person, item.consent.categories, snapshot.catalogue, now) - said

    return frozenset(giver for item in request.open_items(now) for giver in wanted(item))


async def _claimed(session: WriteSession, turn: Turn) -> Answer | None:
    return await idempotency_store.claim(
        session, turn.by.name, turn.key, request_sha256=turn.request_sha256, now=await clock(session)
    )


async def _answered(session: WriteSession, turn: Turn, request: Request, now: datetime) -> Answer:
    current = await requests_store.find(session, request.borger_id, request.request_id)
    assert current is not None
    answer = Answer(200, turn.shape(current, now))
    await idempotency_store.complete(session, turn.by.name, turn.key, status=answer.status, response=answer.response)
    return answer
