"""Authorities to act for another: recorded by one employee, in force by a second, ended by whoever may end it (R11).

1. Recording changes nothing; confirming and ending may change decisions, so both go through `scopes.change`.
2. What ends by it is closed in the same transaction, and its answer waits for a drain like a withdrawal's
   (`docs/fence.md`): ending an attorney's authority ends what they have said yes to, and a guardian who replaces
   the citizen by court order ends what the citizen has.
3. Ending is made no harder than recording: one employee, the citizen for an attorney of theirs, or the attorney.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.citizens import authorities_store
from services.consent.citizens.authority import Authority, AuthorityKind, AuthorityStatus, confirm, end, reject
from services.consent.consents import audit as consents_audit
from services.consent.consents.events import Event
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Withdrawal
from services.consent.employees.staff import Employee
from services.consent.expiry.closing import close_lapsed
from services.consent.grants import receipt as grants_receipt
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.http.signing import Signer
from services.consent.model.acting import Giver, Office
from services.consent.model.errors import AlreadyRepresentedError, NoSuchError, NotSpecificError
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice
from services.consent.receipts.store import StoredReceipt
from services.consent.representation import audit as representation_audit
from services.consent.representation import proofs as representation_proofs
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store
from services.consent.scopes.scopes import Changed

Step = Literal["confirmed", "rejected", "ended"]


class NoSuchAuthorityError(NoSuchError):
    """No authority by that id that the caller may know of."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An authority as it stands, and what its answer waits for when it ended something."""

    authority: Authority
    withdrawal: Withdrawal | None = None


async def record(session: WriteSession, new: Authority, actor: Actor) -> Authority:
    """Propose one; it counts for nothing yet. Raises NotSpecificError, AlreadyRepresentedError."""
    now = await clock(session)
    catalogue = await catalogue_store.current(session)
    if new.representative == new.borger_id:
        raise NotSpecificError("must be another person than the citizen", field="representative")
    unknown = [code for code in new.purposes or () if catalogue.purpose(code, now) is None]
    if unknown or new.purposes == frozenset():
        raise NotSpecificError("must be purposes in force", field="purposes", known=tuple(sorted(catalogue.purposes)))
    if new.valid_to is not None and new.valid_to <= new.valid_from:
        raise NotSpecificError("must lie after valid_from", field="valid_to")
    if new.replaces and new.kind is not AuthorityKind.GUARDIAN:
        raise NotSpecificError("only a guardian can replace the citizen, by court order", field="replaces_citizen")
    await scopes_store.lock_person(session, new.borger_id)  # one registration at a time writes down that it has lapsed
    lapsed = await authorities_store.open_between(session, new.borger_id, new.representative)
    if lapsed is not None and lapsed.status is not lapsed.status_at(now):
        await authorities_store.replace(session, lapsed, end(lapsed, now))
    if not await authorities_store.add(session, new):
        raise AlreadyRepresentedError
    await append(session, representation_audit.of_step("proposed", new, actor, now))
    return new


async def decide(
    session: WriteSession, signer: Signer, by: Employee, found: Authority, *, step: Step, actor: Actor
) -> Decided:
    """Confirm, reject or end, by an employee. Repeating an end answers as the first one.

    Raises NoSuchAuthorityError, SecondEmployeeError, IllegalTransitionError, StaleAuthorityError.
    """
    if not by.deals_with(found.recorded_unit):
        raise NoSuchAuthorityError
    if step == "rejected":
        rejected = reject(found, by.employee_id)
        await authorities_store.replace(session, found, rejected)
        await append(session, representation_audit.of_step(step, rejected, actor, await clock(session)))
        return Decided(rejected)
    office = Office(by.unit, by.assurance)
    if step == "ended":
        return await end_one(session, signer, found, by=office, actor=actor)
    return await _turn(
        session, signer, found, move=lambda old, now: confirm(old, by.employee_id, now), by=office, actor=actor
    )


async def end_one(
    session: WriteSession, signer: Signer, found: Authority, *, by: Giver | Office, actor: Actor
) -> Decided:
    """End it now. One that has ended answers with what it waited for. Raises IllegalTransitionError.

    It is read under the person's lock: of two ends at once the second answers as the first, and one that comes with
    a confirmation ends what that confirmed.
    """
    await scopes_store.lock_person(session, found.borger_id)
    current = await authorities_store.find(session, found.authority_id)
    if current is not None and current.status is AuthorityStatus.ENDED:
        ended = Act.AUTHORITY_ENDED
        first = await drains_store.read_of_object(session, found.borger_id, ended, found.authority_id)
        return Decided(current, first)
    return await _turn(session, signer, current or found, move=end, by=by, actor=actor)


async def end_own(
    session: WriteSession, signer: Signer, giver: Giver, authority_id: UUID, *, borger_id: UUID, actor: Actor
) -> Decided:
    """The citizen takes a power of attorney back, or the attorney lays it down.

    A guardian's is ended by the court's word, through an employee. Raises NoSuchAuthorityError, IllegalTransitionError.
    """
    found = await authorities_store.find(session, authority_id)
    known = found is not None and found.borger_id == borger_id and found.status is not AuthorityStatus.PROPOSED
    if found is None or not known or giver.borger_id not in {found.borger_id, found.representative}:
        raise NoSuchAuthorityError
    if found.kind is AuthorityKind.GUARDIAN:
        raise NoSuchAuthorityError
    return await end_one(session, signer, found, by=giver, actor=actor)


async def _turn(
    session: WriteSession,
    signer: Signer,
    found: Authority,
    *,
    move: Callable[[Authority, datetime], Authority],
    by: Giver | Office,
    actor: Actor,
) -> Decided:
    """Move it under the locks, close what may not go on, prove and tell it. Raises what `move` raises."""
    turned: list[Authority] = []
    events: list[Event] = []

    async def work(now: datetime) -> None:
        current = await authorities_store.lock(session, found.authority_id)
        assert current is not None
        turned.append(move(current, now))
        await authorities_store.replace(session, found, turned[-1])
        events.extend(await close_lapsed(session, found.borger_id, now))

    await scopes_store.lock_person(session, found.borger_id)  # else a scope might appear that the drain misses
    changed = await scopes.change(session, await scopes_store.keys_of(session, [found.borger_id]), work)
    new = turned[-1]
    await grants_receipt.prove(session, signer, events, changed)
    ended = new.status is AuthorityStatus.ENDED
    if ended:
        receipt = await representation_proofs.prove_end(session, signer, new, by, at=changed.at)
    else:
        assert isinstance(by, Office)
        receipt = await representation_proofs.prove_start(session, signer, new, by, at=changed.at)
    told = representation_audit.of_step("ended" if ended else "confirmed", new, actor, changed.at)
    closed = consents_audit.of_events(events, actor, at=changed.at, epochs=changed.epochs)
    await append(session, [*told, *closed])
    await _notify(session, new, changed.at)
    return Decided(new, await _waits(session, new, changed, receipt) if changed.ended else None)


async def _notify(session: WriteSession, authority: Authority, at: datetime) -> None:
    ended = authority.status is AuthorityStatus.ENDED
    kind = "authority_ended" if ended else "authority_recorded"
    for person in (authority.borger_id, authority.representative):
        await notices_store.add(session, Notice(uuid4(), person, "citizen", kind, authority.authority_id, at))


async def _waits(session: WriteSession, authority: Authority, changed: Changed, receipt: StoredReceipt) -> Withdrawal:
    withdrawal = Withdrawal(
        withdrawal_id=uuid4(),
        borger_id=authority.borger_id,
        act=Act.AUTHORITY_ENDED if authority.status is AuthorityStatus.ENDED else Act.AUTHORITY_CONFIRMED,
        object_id=authority.authority_id,
        registered_at=changed.at,
        drained_at=None,
        receipt_id=receipt.receipt_id,
    )
    await drains_store.insert(session, withdrawal)
    await drains_store.insert_scopes(session, withdrawal.withdrawal_id, changed.epochs)
    return withdrawal


async def read_one(
    session: WriteSession, by: Employee, authority_id: UUID, *, actor: Actor | None
) -> tuple[Authority, datetime]:
    """One authority that this employee may know of, and the moment to read it at. Audited, with an `actor`.

    Raises NoSuchAuthorityError.
    """
    found, now = await authorities_store.find(session, authority_id), await clock(session)
    if found is None or not by.deals_with(found.recorded_unit):
        raise NoSuchAuthorityError
    if actor is not None:
        objects = {"authority_id": str(authority_id)}
        entry = http_audit.of_read("authority.read", actor, subject=found.borger_id, at=now, objects=objects)
        await append(session, [entry])
    return found, now
