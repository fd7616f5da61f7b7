"""Whether an open consent may go on, and if not why: one answer for every fact of life, whenever it is told (R13).

The decision says no by itself at the very instant (P6). This is what is then written down for the citizen to see, by
whoever comes first: the event that told of it, or the sweep when the day had only to come.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from uuid import UUID

from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.family import required_givers
from services.consent.consents.consent import ClosedReason, Consent, Status
from services.consent.decision.decide import has_no_open_case, is_special, represented
from services.consent.decision.snapshot import Person
from services.consent.model.calendar import danish_date


def why_closed(consent: Consent, person: Person, catalogue: Catalogue, now: datetime) -> ClosedReason | None:
    """The fact that has ended an open consent by `now`; None while it may go on."""
    if person.died_on is not None:
        return ClosedReason.DEATH
    if person.is_away(danish_date(now)):
        return ClosedReason.MOVED_OUT
    recipient = catalogue.counts_as(consent.recipient_unit, now) or consent.recipient_unit
    if has_no_open_case(person, recipient, now):
        return ClosedReason.CASE_CLOSED
    policy = catalogue.policy(now)
    if policy is None or consent.status is Status.REQUESTED:
        return None
    special = is_special(consent.categories, catalogue, now)
    required = required_givers(
        person.borger_id, person.birth_date, person.custody, special=special, policy=policy, now=now
    )
    counted = represented(person, policy, now).counted(consent.declarations, consent.purpose).keys()
    if _goes_on(consent, required, counted):
        return None
    return _why_undeclared(consent, person.borger_id, required, counted)


def _goes_on(consent: Consent, required: AbstractSet[UUID], counted: AbstractSet[UUID]) -> bool:
    """In force: every declaration of today's is there. Waiting: those given are still asked for, and one is missing."""
    if consent.status is Status.ACTIVE:
        return bool(required) and required <= counted
    return len(counted) == len(consent.declarations) and counted < required


def _why_undeclared(
    consent: Consent, borger_id: UUID, required: AbstractSet[UUID], counted: AbstractSet[UUID]
) -> ClosedReason:
    """An age, when a parent's word stands where the person's own is asked for; else an authority, or custody."""
    own_is_missing = borger_id in required and borger_id not in counted
    if own_is_missing and any(item.authority_id is None and item.giver != borger_id for item in consent.declarations):
        return ClosedReason.AGE_CHANGED
    return ClosedReason.AUTHORITY_CHANGED if own_is_missing else ClosedReason.CUSTODY_CHANGED
