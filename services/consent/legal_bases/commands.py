"""Record a basis that needs no consent, end it, and read what is recorded (R31).

1. It answers exactly one question, and is recorded by a caseworker of the *holder* unit that has an open case about the
   citizen; for anybody else the citizen is not there (R15, P2). It holds from the moment it is recorded: what arrived
   before stays as it was.
2. It is never a consent: no consent row, no `samtykke.*` event, a decision reason of its own, a list of its own. The
   citizen is told of it at once, sees the law, the unit and the end, and may refuse (R50).
3. An emergency is told the data protection officer too, who reviews it; one that was not justified ends there and then.
4. Ending one is ending a right to disclose: bumped, and drained before it is answered `200`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from libs.common.database.database import Session, WriteSession, clock
from libs.common.outbox.outbox import append, audit_message
from services.consent.catalogue.entries import Catalogue, LegalBasis
from services.consent.citizens import store as citizens_store
from services.consent.commands.audit import entry_of
from services.consent.decision.decide import Reason, not_offered
from services.consent.decision.other_basis import latest_end
from services.consent.decision.snapshot import OtherBasis, Question
from services.consent.decision.store import load_snapshot
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Withdrawal
from services.consent.employees.need_to_know import NobodyHereError, check_not_their_own
from services.consent.employees.staff import Employee
from services.consent.http import audit as http_audit
from services.consent.http.audit import PRODUCER, Actor
from services.consent.http.signing import Signer
from services.consent.legal_bases import store as legal_bases_store
from services.consent.legal_bases.receipt import about_basis
from services.consent.legal_bases.store import Recorded
from services.consent.model.acting import Office
from services.consent.model.errors import NoSuchError, NotSpecificError
from services.consent.model.scope import ScopeKey
from services.consent.notices import store as notices_store
from services.consent.notices.store import Audience, Notice
from services.consent.receipts import issue
from services.consent.receipts.receipt import ReceiptAct, ReceiptEvent
from services.consent.scopes import scopes

EMERGENCY_NOTICE, BASIS_NOTICE = "emergency_disclosure", "other_basis_recorded"
ENDED_NOTICE, UNJUSTIFIED_NOTICE = "other_basis_ended", "emergency_unjustified"
_LAST = UUID(int=2**128 - 1)
After = tuple[datetime, UUID]


class NoSuchBasisError(NoSuchError):
    """There is no such basis, or not for whoever asks."""


class AlreadyReviewedError(Exception):
    """It has been reviewed with another outcome."""


@dataclass(frozen=True, slots=True)
class NewBasis:
    """What is to be recorded. The holder is the employee's own unit. `valid_until` None: as long as is allowed."""

    borger_id: UUID
    recipient_unit: str
    purpose: str
    category: str
    legal_basis: str
    valid_until: datetime | None
    decision_reference: str
    emergency_reason: str | None = None


async def record(session: WriteSession, signer: Signer, by: Employee, new: NewBasis, *, actor: Actor) -> Recorded:
    """Record it, from now on. Raises NobodyHereError, OwnMatterError, NotSpecificError naming the field."""
    if not await citizens_store.has_open_case(session, new.borger_id, by.unit, await clock(session)):
        raise NobodyHereError
    await check_not_their_own(session, by, new.borger_id)
    made: list[Recorded] = []

    async def write(now: datetime) -> None:
        catalogue = (await load_snapshot(session, [new.borger_id])).catalogue
        made.append(_recorded(new, by, catalogue, now))
        await legal_bases_store.add(session, made[0])

    changed = await scopes.change(session, [ScopeKey(new.borger_id, new.purpose, new.recipient_unit)], write)
    recorded, emergency = made[0], new.emergency_reason is not None
    event = ReceiptEvent.EMERGENCY if emergency else ReceiptEvent.OTHER_BASIS_RECORDED
    office = Office(by.unit, by.assurance)
    await _prove(session, signer, recorded, ReceiptAct(event, office, changed.at, reason=new.emergency_reason))
    kind = "emergency.recorded" if emergency else "other_basis.recorded"
    await _told(session, kind, recorded, actor, at=changed.at, reason=new.emergency_reason)
    audiences: list[Audience] = ["citizen", "dpo"] if emergency else ["citizen"]
    await _notify(session, audiences, EMERGENCY_NOTICE if emergency else BASIS_NOTICE, recorded, at=changed.at)
    return recorded


async def end(session: WriteSession, signer: Signer, by: Employee, basis_id: UUID, *, actor: Actor) -> Withdrawal:
    """End it before its time, by its holder unit. Repeating it is the same ending. Raises NoSuchBasisError."""
    found = await legal_bases_store.find(session, basis_id)
    if found is None or found.basis.holder_unit != by.unit:
        raise NoSuchBasisError
    return await _ended(session, signer, found, Office(by.unit, by.assurance), actor=actor)


async def review(
    session: WriteSession, signer: Signer, office: Office, basis_id: UUID, *, justified: bool, actor: Actor
) -> tuple[Recorded, Withdrawal | None]:
    """What the officer found, once. One that was not justified ends at once, and the citizen is told.

    Raises NoSuchBasisError for what is no emergency, AlreadyReviewedError for another outcome than the first.
    """
    found = await legal_bases_store.find(session, basis_id)
    if found is None or found.emergency_reason is None:
        raise NoSuchBasisError
    await scopes.lock(session, [_scope(found)])
    found = await legal_bases_store.find(session, basis_id)
    assert found is not None
    outcome = "justified" if justified else "unjustified"
    if found.review not in {None, outcome}:
        raise AlreadyReviewedError
    if found.review is None:
        now = await clock(session)
        await legal_bases_store.review(session, basis_id, outcome, at=now, by=actor.name)
        await notices_store.mark_dealt_with(session, basis_id, "dpo", now)
        await _told(session, "emergency.reviewed", found, actor, at=now, reason=outcome)
        found = replace(found, review=outcome, reviewed_at=now, reviewed_by=actor.name)
        if not justified:
            await _notify(session, ["citizen"], UNJUSTIFIED_NOTICE, found, at=now)
    return found, None if justified else await _ended(session, signer, found, office, actor=actor)


async def _ended(session: WriteSession, signer: Signer, found: Recorded, office: Office, *, actor: Actor) -> Withdrawal:
    basis_id, key = found.basis.basis_id, _scope(found)
    await scopes.lock(session, [key])
    earlier = await drains_store.read_of_object(session, found.borger_id, Act.BASIS_ENDED, basis_id)
    if earlier is not None:
        return earlier
    changed = await scopes.change(session, [key], lambda now: legal_bases_store.end(session, basis_id, now, actor.name))
    ended = replace(found, basis=replace(found.basis, ended_at=changed.at), ended_by=actor.name)
    act = ReceiptAct(ReceiptEvent.OTHER_BASIS_ENDED, office, changed.at, epoch=changed.epochs[key])
    withdrawal = Withdrawal(
        withdrawal_id=uuid4(),
        borger_id=found.borger_id,
        act=Act.BASIS_ENDED,
        object_id=basis_id,
        registered_at=changed.at,
        drained_at=None,
        receipt_id=await _prove(session, signer, ended, act),
    )
    await drains_store.insert(session, withdrawal)
    await drains_store.insert_scopes(session, withdrawal.withdrawal_id, changed.epochs)
    await _told(session, "other_basis.ended", ended, actor, at=changed.at)
    await _notify(session, ["citizen"], ENDED_NOTICE, ended, at=changed.at)
    return withdrawal


async def find_ending(session: Session, basis_id: UUID, unit: str | None) -> Withdrawal | None:
    """What its end before time is drained by; `unit`: None for the officer, who sees emergencies only."""
    found = await legal_bases_store.find(session, basis_id)
    theirs = found is not None and (found.basis.emergency if unit is None else found.basis.holder_unit == unit)
    if found is None or not theirs:
        return None
    return await drains_store.read_of_object(session, found.borger_id, Act.BASIS_ENDED, basis_id)


async def list_of_citizen(
    session: WriteSession, actor: Actor, borger_id: UUID, *, after: After | None, limit: int
) -> tuple[tuple[Recorded, ...], Catalogue, datetime]:
    """A page, newest first, with the catalogue and the moment to read it by. Audited as `other_bases.listed`."""
    now = await clock(session)
    found = await legal_bases_store.page_of_citizen(session, borger_id, after or (now, _LAST), limit)
    await _read(session, actor, "other_bases.listed", [borger_id], now=now)
    return found, (await load_snapshot(session, [])).catalogue, now


async def list_of_unit(
    session: WriteSession, actor: Actor, unit: str, *, after: After | None, limit: int
) -> tuple[tuple[Recorded, ...], Catalogue, datetime]:
    """What a holder unit has recorded; otherwise as `list_of_citizen`, with an entry for each person on the page."""
    now = await clock(session)
    found = await legal_bases_store.page_of_unit(session, unit, after or (now, _LAST), limit)
    await _read(session, actor, "other_bases.listed", (item.borger_id for item in found), now=now)
    return found, (await load_snapshot(session, [])).catalogue, now


async def list_emergencies(
    session: WriteSession, actor: Actor, *, unreviewed: bool, after: After | None, limit: int
) -> tuple[tuple[Recorded, ...], Catalogue, datetime]:
    """Every emergency, for the officer; otherwise as `list_of_unit`, audited as `emergencies.listed`."""
    now = await clock(session)
    before = after or (now, _LAST)
    found = await legal_bases_store.page_of_emergencies(session, unreviewed=unreviewed, before=before, limit=limit)
    await _read(session, actor, "emergencies.listed", (item.borger_id for item in found), now=now)
    return found, (await load_snapshot(session, [])).catalogue, now


def _recorded(new: NewBasis, by: Employee, catalogue: Catalogue, now: datetime) -> Recorded:
    question = Question(new.borger_id, by.unit, new.recipient_unit, new.purpose, new.category)
    refusal = not_offered(question, catalogue, now)
    if refusal is not None:
        raise NotSpecificError("is not offered between these units for this purpose", field=_FIELDS[refusal])
    law = _law(new, catalogue, now)
    policy = catalogue.policy(now)
    if policy is None:
        raise NotSpecificError("no policy is in force", field="purpose")
    latest = latest_end(law, policy, emergency=law.emergency, since=now)
    until = new.valid_until or latest
    if not now < until <= latest:
        longest = f"{policy.emergency_hours_max} hours" if law.emergency else "what the legal basis allows"
        raise NotSpecificError(f"must lie ahead, at most {longest}", field="valid_until")
    basis = OtherBasis(
        uuid4(),
        by.unit,
        new.recipient_unit,
        new.category,
        new.purpose,
        new.legal_basis,
        now,
        until,
        emergency=law.emergency,
    )
    return Recorded(basis, new.borger_id, new.emergency_reason, new.decision_reference, by.employee_id)


_FIELDS = {
    Reason.UNKNOWN_UNIT: "recipient_unit",
    Reason.UNKNOWN_PURPOSE: "purpose",
    Reason.UNKNOWN_CATEGORY: "category",
    Reason.NOT_OFFERED: "category",
}


def _law(new: NewBasis, catalogue: Catalogue, now: datetime) -> LegalBasis:
    """The legal basis, in force, for just this: an emergency rests on a provision for one, anything else on another."""
    emergency = new.emergency_reason is not None
    laws = (catalogue.legal_basis(code, now) for code in sorted(catalogue.legal_bases))
    fit = {law.code: law for law in laws if law and not law.needs_consent and law.emergency is emergency}
    if new.legal_basis not in fit:
        wanted = "a provision for emergencies" if emergency else "a legal basis that needs no consent"
        raise NotSpecificError(f"must be {wanted}, in force", field="legal_basis", known=tuple(fit))
    return fit[new.legal_basis]


def _scope(recorded: Recorded) -> ScopeKey:
    return ScopeKey(recorded.borger_id, recorded.basis.purpose, recorded.basis.recipient_unit)


async def _prove(session: WriteSession, signer: Signer, recorded: Recorded, act: ReceiptAct) -> UUID:
    receipt = await issue.issue(
        session,
        signer,
        subject=recorded.borger_id,
        act=act,
        about=lambda words: about_basis(recorded.borger_id, recorded.basis, words),
    )
    return receipt.receipt_id


async def _told(
    session: WriteSession, kind: str, recorded: Recorded, actor: Actor, *, at: datetime, reason: str | None = None
) -> None:
    basis = recorded.basis
    objects = {
        "basis_id": str(basis.basis_id),
        "holder_unit": basis.holder_unit,
        "category": basis.category,
        "decision_reference": recorded.decision_reference,
    }
    entry = entry_of(kind, recorded.borger_id, actor, at=at, objects=objects)
    about = {"unit": basis.recipient_unit, "purposes": (basis.purpose,), "legal_basis": basis.legal_basis}
    await append(session, [audit_message(PRODUCER, entry.model_copy(update={**about, "reason": reason}))])


async def _notify(
    session: WriteSession, audiences: Iterable[Audience], kind: str, recorded: Recorded, *, at: datetime
) -> None:
    for audience in audiences:
        notice = Notice(uuid4(), recorded.borger_id, audience, kind, recorded.basis.basis_id, at)
        await notices_store.add(session, notice)


async def _read(session: WriteSession, actor: Actor, kind: str, persons: Iterable[UUID], *, now: datetime) -> None:
    await append(session, http_audit.of_listed(kind, actor, persons, at=now))
