"""Attest what a citizen has said, confirm it as a second employee, or reject it (U4). Each is one transaction.

What takes effect is told to the citizen in the same transaction, with the unit and the method and not the employee
(R25); they undo it in one step, as anything else of theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from libs.common.database.database import Session, WriteSession, clock
from libs.common.outbox.outbox import Message, append
from services.consent.attestations import perform
from services.consent.attestations import store as attestations_store
from services.consent.attestations.attestation import (
    Attestation,
    AttestedAct,
    AttestedStatus,
    check_conversation,
    decide,
    lapse,
    needs_a_second,
)
from services.consent.catalogue import store as catalogue_store
from services.consent.citizens import store as citizens_store
from services.consent.decision.decide import is_special
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Withdrawal
from services.consent.employees.need_to_know import NobodyHereError, check_not_their_own
from services.consent.employees.staff import Employee
from services.consent.grants.grant import draft
from services.consent.http import audit as http_audit
from services.consent.http.audit import SERVICE, Actor
from services.consent.http.signing import Signer
from services.consent.model.acting import Method
from services.consent.model.errors import NoSuchError, NotYoursError
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice

_WAITS_AS = {
    AttestedAct.GRANT: Act.NARROWING,
    AttestedAct.WITHDRAW: Act.WITHDRAWAL,
    AttestedAct.DECLINE: Act.WITHDRAWAL,
    AttestedAct.REFUSE: Act.REFUSAL,
}


class NoSuchAttestationError(NoSuchError):
    """No attestation by that id that the caller may know of."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long after a conversation it may be attested, and how long a proposal waits for the second employee."""

    attest_within: timedelta
    confirm_within: timedelta


@dataclass(frozen=True, slots=True)
class Heard:
    """What somebody said, as it came in. `borger_id`: whom it is about; `content`: codes and ids."""

    giver: UUID
    borger_id: UUID
    act: AttestedAct
    content: Mapping[str, Any]
    method: Method
    conversed_at: datetime


async def attest(
    session: WriteSession, signer: Signer, by: Employee, heard: Heard, *, limits: Limits, actor: Actor
) -> Attestation:
    """Register it: in effect at once, or proposed where four eyes are asked for.

    Raises NobodyHereError, OwnMatterError, NotYoursError, NotSpecificError, and what `attested_acts.perform` does.
    """
    now = await clock(session)
    check_conversation(heard.method, heard.conversed_at, now=now, within=limits.attest_within)
    await check_not_their_own(session, by, heard.giver, heard.borger_id)
    said = _attestation(by, heard, now)
    await perform.speaks_for(session, said)
    if needs_a_second(said.act, special=await _check(session, by, said, now)):
        lapses_at = now + limits.confirm_within
        proposed = replace(said, status=AttestedStatus.PROPOSED, lapses_at=lapses_at)
        await attestations_store.add(session, proposed)
        await append(session, [_entry("proposed", proposed, actor, now)])
        return proposed
    speaking = replace(actor, giver=said.giver)
    object_id = await perform.perform(session, signer, said, by=by, actor=speaking, confirmed_by=None)
    registered = replace(said, object_id=object_id)
    await attestations_store.add(session, registered)
    await _tell(session, "registered", registered, actor, now=now)
    return registered


async def settle(
    session: WriteSession, signer: Signer, by: Employee, found: Attestation, *, status: AttestedStatus, actor: Actor
) -> Attestation:
    """Confirm or reject a proposal as a second employee; confirmed, it takes effect now.

    Raises SecondEmployeeError, IllegalTransitionError, OwnMatterError, StaleAttestationError, and as `perform`.
    """
    now = await clock(session)
    await check_not_their_own(session, by, found.giver, found.borger_id)
    decided = decide(found, status, by.employee_id, now)
    if status is AttestedStatus.CONFIRMED:
        speaking = replace(actor, giver=found.giver)
        object_id = await perform.perform(session, signer, found, by=by, actor=speaking, confirmed_by=by.employee_id)
        decided = replace(decided, object_id=object_id)
    await attestations_store.replace(session, found, decided)
    await _tell(session, str(status), decided, actor, now=now)
    return decided


async def write_lapsed(session: WriteSession, found: Attestation) -> None:
    """Write down that nobody has confirmed it in time, unless somebody has decided meanwhile."""
    now = await clock(session)
    current = await attestations_store.lock(session, found.attestation_id)
    if current is None or current.status is not AttestedStatus.PROPOSED:
        return
    await attestations_store.replace(session, current, lapse(current, now))
    await append(session, [_entry("lapsed", current, SERVICE, now)])


async def read_one(
    session: WriteSession, by: Employee, attestation_id: UUID, *, actor: Actor | None
) -> tuple[Attestation, datetime]:
    """One that this employee may know of, and the moment to read it at. Audited, with an `actor`.

    Raises NoSuchAttestationError.
    """
    found, now = await attestations_store.find(session, attestation_id), await clock(session)
    if found is None or not by.deals_with(found.attested_unit):
        raise NoSuchAttestationError
    if actor is not None:
        await append(session, [_entry("read", found, actor, now)])
    return found, now


async def waited_for(session: Session, said: Attestation) -> Withdrawal | None:
    """What the answer waits for, when the act ended something."""
    act = _WAITS_AS.get(said.act)
    if act is None or said.object_id is None:
        return None
    alone = await drains_store.read_of_object(session, said.borger_id, act, said.object_id)
    if alone is not None or act is not Act.WITHDRAWAL:
        return alone
    return await drains_store.read_of_consent(session, said.borger_id, said.object_id)


def _attestation(by: Employee, heard: Heard, now: datetime) -> Attestation:
    return Attestation(
        attestation_id=uuid4(),
        borger_id=heard.borger_id,
        giver=heard.giver,
        act=heard.act,
        content=heard.content,
        method=heard.method,
        conversed_at=heard.conversed_at,
        attested_by=by.employee_id,
        attested_unit=by.unit,
        attested_role=by.role,
        assurance=by.assurance,
        registered_at=now,
        lapses_at=None,
        status=AttestedStatus.REGISTERED,
    )


async def _check(session: WriteSession, by: Employee, said: Attestation, now: datetime) -> bool:
    """Whether a special category is in it; a yes must be concrete enough to store before anybody is to confirm it.

    Raises NotYoursError for a yes or a lifting between units that are not the employee's, NotSpecificError.
    """
    if said.act is AttestedAct.LIFT and not by.deals_with(said.content["recipient_unit"]):
        raise NotYoursError("this unit is not the employee's")
    if said.act is not AttestedAct.GRANT:
        return False
    ask = perform.ask_of(said)
    if not by.deals_with(ask.holder_unit, ask.recipient_unit):
        raise NotYoursError("these units are not the employee's")
    catalogue = await catalogue_store.current(session)
    born = await citizens_store.born(session, said.borger_id)
    if born is None:
        raise NobodyHereError
    draft(ask, catalogue, born=born, consent_id=said.attestation_id, now=now)
    return is_special(ask.categories, catalogue, now)


async def _tell(session: WriteSession, step: str, said: Attestation, actor: Actor, *, now: datetime) -> None:
    """The trail; and, of what took effect, the citizen and who spoke for them."""
    await append(session, [_entry(step, said, actor, now)])
    if said.object_id is None:
        return
    for person in dict.fromkeys((said.borger_id, said.giver)):
        await notices_store.add(session, Notice(uuid4(), person, "citizen", "attested", said.object_id, now))


def _entry(step: str, said: Attestation, actor: Actor, now: datetime) -> Message:
    objects = {"attestation_id": str(said.attestation_id), "attested_by": said.attested_by, "said": str(said.act)}
    if said.giver != said.borger_id:
        objects["giver"] = str(said.giver)
    action: Literal["C", "R", "U"] = "C" if step in {"proposed", "registered"} else "U"
    if step == "read":
        action = "R"
    return http_audit.of_read(
        f"attestation.{step}", actor, subject=said.borger_id, at=now, action=action, objects=objects
    )
