"""Does what was attested, by the very same functions as when the citizen does it themselves: the one way to act.

The word is the citizen's: the declaration and the receipt say by which method it is known and which unit heard it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from libs.common.database.database import Session, WriteSession, clock
from services.consent.attestations import store as attestations_store
from services.consent.attestations.attestation import Attestation, AttestedAct
from services.consent.citizens.capacity import Capacity, capacity
from services.consent.commands.requests import Request
from services.consent.consents import store as consents_store
from services.consent.consents.consent import Consent, Status
from services.consent.employees.need_to_know import NobodyHereError
from services.consent.employees.staff import Employee
from services.consent.grants.commands import Grant, grant_consent
from services.consent.grants.grant import Ask
from services.consent.http.audit import Actor
from services.consent.http.signing import Signer
from services.consent.model.acting import Giver
from services.consent.model.errors import LaterNoError, NoSuchConsentError
from services.consent.refusals import store as refusals_store
from services.consent.refusals.commands import NoSuchRefusalError, lift_refusal, refuse
from services.consent.withdrawals import commands as withdrawals_commands

# Which consents a no is about: to what was asked, or to what was given. Both end by the same act.
_MEANT = {
    AttestedAct.DECLINE: frozenset({Status.REQUESTED, Status.PENDING_SIGNATURE}),
    AttestedAct.WITHDRAW: frozenset({Status.ACTIVE, Status.PENDING_SIGNATURE}),
}


async def perform(
    session: WriteSession, signer: Signer, said: Attestation, *, by: Employee, actor: Actor, confirmed_by: str | None
) -> UUID:
    """Do it now; the consent or refusal that it came to be about.

    Raises NobodyHereError when the speaker may not act for them today, LaterNoError when they have said no since,
    NoSuchConsentError, NoSuchRefusalError, and what the acts themselves raise.
    """
    acts_for = await speaks_for(session, said)
    giver = Giver(
        borger_id=said.giver,
        assurance=said.assurance,
        role=acts_for.role,
        method=said.method,
        authority_id=None if acts_for.authority is None else acts_for.authority.authority_id,
        attested_by=said.attested_by,
        attested_unit=said.attested_unit,
        confirmed_by=confirmed_by,
    )
    if said.act is AttestedAct.GRANT:
        return await _grant(session, signer, said, giver=giver, actor=actor)
    asked = Request(said.borger_id, giver, actor, None, "", uuid4, acts_for.purposes)
    if said.act in _MEANT:
        consent = await _meant(session, said, by)
        await withdrawals_commands.withdraw_consent(session, signer, asked, consent.consent_id)
        return consent.consent_id
    purpose, recipient = said.content["purpose"], said.content["recipient_unit"]
    if said.act is AttestedAct.REFUSE:
        return (await refuse(session, signer, asked, purpose=purpose, recipient_unit=recipient)).object_id
    standing = await refusals_store.standing(session, said.borger_id, purpose=purpose, recipient_unit=recipient)
    if standing is None:
        raise NoSuchRefusalError
    if standing.recorded_at > said.conversed_at:
        raise LaterNoError("it was refused after the conversation")
    await lift_refusal(session, signer, asked, standing.refusal_id)
    return standing.refusal_id


async def speaks_for(session: Session, said: Attestation) -> Capacity:
    """In which capacity the speaker speaks today, in this purpose. Raises NobodyHereError."""
    found = await capacity(session, said.giver, said.borger_id)
    purpose = said.content.get("purpose")
    covered = found is not None and (found.purposes is None or purpose is None or purpose in found.purposes)
    if found is None or not covered:
        raise NobodyHereError
    return found


def ask_of(said: Attestation) -> Ask:
    """What was said yes to."""
    body = said.content
    until = body["valid_until"]
    return Ask(
        borger_id=said.borger_id,
        purpose=body["purpose"],
        holder_unit=body["holder_unit"],
        recipient_unit=body["recipient_unit"],
        categories=frozenset(body["categories"]),
        language=body["language"],
        text_version=body["text_version"],
        text_sha256=body["text_sha256"],
        valid_until=None if until is None else datetime.fromisoformat(until),
        affirmed_special=frozenset(body["affirmed_special"]),
    )


async def _grant(session: WriteSession, signer: Signer, said: Attestation, *, giver: Giver, actor: Actor) -> UUID:
    """A yes, unless the citizen has said no to the same since: their own later word stands."""
    ask = ask_of(said)
    pair = (ask.holder_unit, ask.recipient_unit)
    if await attestations_store.has_said_no_since(session, said.borger_id, ask.purpose, pair, since=said.conversed_at):
        raise LaterNoError("the citizen has said no to it after the conversation")

    def shape(consent: Consent, _receipt: str) -> dict[str, Any]:
        return {"consent_id": str(consent.consent_id)}

    grant = Grant(ask, giver, actor, uuid4, f"attested-{said.attestation_id}", "attested", shape)
    return UUID((await grant_consent(session, signer, grant)).response["consent_id"])


async def _meant(session: WriteSession, said: Attestation, by: Employee) -> Consent:
    """The consent that was spoken of, when it is the employee's to know of: never one given after the conversation."""
    body = said.content
    if body["consent_id"] is not None:
        found = [await consents_store.find(session, UUID(body["consent_id"]), said.borger_id)]
    else:
        pair = (body["holder_unit"], body["recipient_unit"])
        running = await consents_store.open_for(session, said.borger_id, body["purpose"], pair)
        found = [item for item in running if item.status in _MEANT[said.act]]
    now = await clock(session)
    meant = [
        item
        for item in found
        if item is not None
        and by.deals_with(item.holder_unit, item.recipient_unit)
        and (item.given_at or item.requested_at) <= min(said.conversed_at, now)
    ]
    if not meant:
        raise NoSuchConsentError
    return next((item for item in meant if item.status is Status.ACTIVE), meant[0])
