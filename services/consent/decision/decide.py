"""May this recipient be told this category about this person, held by this unit, for this purpose, now?

One pure function over a snapshot of rows and the database's clock. The order is fixed, the first answer counts:

1. unknown code, closed unit, or purpose not offered for this pair: no
2. unknown, dead or moved out: no
3. an emergency recorded for exactly this question (*værdispring*), for the hours it may last: yes (why it stands before
   the citizen's no: `other_basis`)
4. an active refusal that covers the purpose and recipient (R50), then a restriction of everything (art. 18, R27): no
5. another legal basis that needs no consent, recorded for exactly this question: yes
6. a consent, active, unrestricted, inside its validity *and* its legal ceiling, that names exactly this question, with
   every declaration that the person's age and custody demand today, and the recipient's case not closed: yes
7. a family question needs 3, 5 or 6 for each person that it reveals something about (`decide_all`)
8. otherwise: no

The reason is for the log. The caller who asked learns only yes or no (R1).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.consent.catalogue.entries import Catalogue, Category, LegalBasis, Policy
from services.consent.citizens.authority import Represented, next_turn
from services.consent.citizens.family import next_change, required_givers
from services.consent.consents.consent import Consent, Status
from services.consent.consents.ending import ceiling
from services.consent.decision.known_ends import earliest, known_closings, known_move, mapping_ends, reference_ends
from services.consent.decision.other_basis import carriers
from services.consent.decision.snapshot import Person, Question, Snapshot
from services.consent.model.calendar import danish_date


class Reason(StrEnum):
    """Why; kept in the audit trail only."""

    CONSENT = "consent"
    OTHER_BASIS = "other_basis"
    EMERGENCY = "emergency"
    UNKNOWN_UNIT = "unknown_or_closed_unit"
    UNKNOWN_PURPOSE = "unknown_purpose"
    UNKNOWN_CATEGORY = "unknown_category"
    NOT_OFFERED = "not_offered"
    UNKNOWN_PERSON = "unknown_person"
    DEAD = "dead"
    MOVED_OUT = "moved_out"
    REFUSED = "refused"
    RESTRICTED = "restricted"
    NO_POLICY = "no_policy"
    NO_CONSENT = "no_consent"
    NOT_SELECTABLE = "not_selectable"
    BASIS_NOT_IN_FORCE = "basis_not_in_force"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    CEILING = "legal_ceiling"
    DECLARATION_MISSING = "declaration_missing"
    NOT_AFFIRMED = "special_category_not_affirmed"
    CASE_CLOSED = "case_closed"


@dataclass(frozen=True, slots=True)
class DisclosureDecision:
    """The answer. `rests_on`: the consent. `ends_at`: the earliest moment at which time alone may change a yes."""

    permitted: bool
    reason: Reason
    rests_on: UUID | None = None
    legal_basis: str | None = None
    ends_at: datetime | None = None


def _no(reason: Reason) -> DisclosureDecision:
    return DisclosureDecision(permitted=False, reason=reason)


def decide(question: Question, snapshot: Snapshot, now: datetime, *, with_end: bool = True) -> DisclosureDecision:
    """Answer one question at `now` (aware, from the database's clock, taken after any locks).

    `with_end` False leaves `ends_at` out, which is a third of the work: for whoever asks only whether.
    """
    catalogue = snapshot.catalogue
    refusal = not_offered(question, catalogue, now)
    if refusal is not None:
        return _no(refusal)
    person = snapshot.persons.get(question.borger_id)
    if person is None:
        return _no(Reason.UNKNOWN_PERSON)
    refusal = _gone(person, now)
    if refusal is not None:
        return _no(refusal)
    emergency = _by_other_basis(question, person, catalogue, emergency=True, now=now) if person.other_bases else None
    if emergency is not None:
        return emergency
    refusal = _forbidden(question, person, catalogue, now)
    if refusal is not None:
        return _no(refusal)
    recorded = _by_other_basis(question, person, catalogue, emergency=False, now=now) if person.other_bases else None
    return recorded or _by_consent(question, person, catalogue, with_end=with_end, now=now)


def decide_all(questions: Iterable[Question], snapshot: Snapshot, now: datetime) -> DisclosureDecision:
    """A family question: yes only when every part is; the first no is the answer, the earliest end the end.

    Raises ValueError when nothing is asked: a disclosure that reveals nothing about anybody does not exist.
    """
    answers: list[DisclosureDecision] = []
    for question in questions:
        answer = decide(question, snapshot, now)
        if not answer.permitted:
            return answer
        answers.append(answer)
    if not answers:
        raise ValueError("no question asked")
    ends = [answer.ends_at for answer in answers if answer.ends_at is not None]
    first = answers[0]
    return DisclosureDecision(
        permitted=True,
        reason=first.reason,
        rests_on=first.rests_on,
        legal_basis=first.legal_basis,
        ends_at=min(ends, default=None),
    )


def not_offered(question: Question, catalogue: Catalogue, now: datetime) -> Reason | None:
    """Why the catalogue knows of no such question; None where it does."""
    today = catalogue.on(now)
    holder = today.units.get(question.holder_unit)
    if holder is None or question.recipient_unit not in today.units:
        return Reason.UNKNOWN_UNIT
    purpose = today.purposes.get(question.purpose)
    if purpose is None:
        return Reason.UNKNOWN_PURPOSE
    category = today.categories.get(question.category)
    if category is None:
        return Reason.UNKNOWN_CATEGORY
    offered = (question.purpose, question.holder_unit, question.recipient_unit) in today.offers
    held = holder.administration in category.holders
    return None if offered and held and question.category in purpose.categories else Reason.NOT_OFFERED


def _gone(person: Person, now: datetime) -> Reason | None:
    if person.died_on is not None:
        return Reason.DEAD
    return Reason.MOVED_OUT if person.is_away(danish_date(now)) else None


def _forbidden(question: Question, person: Person, catalogue: Catalogue, now: datetime) -> Reason | None:
    """The person's own no to the scope, or a restriction of everything."""
    for item in person.refusals:
        unit = item.recipient_unit
        to_it = unit is None or catalogue.stands_for(unit, question.recipient_unit, now)
        if to_it and item.purpose in {None, question.purpose} and item.stands_at(now):
            return Reason.REFUSED
    return Reason.RESTRICTED if person.is_restricted(None, now) else None


def _by_other_basis(
    question: Question, person: Person, catalogue: Catalogue, *, emergency: bool, now: datetime
) -> DisclosureDecision | None:
    for basis, law, end in carriers(question, person, catalogue, emergency=emergency, now=now):
        return DisclosureDecision(
            permitted=True,
            reason=Reason.EMERGENCY if emergency else Reason.OTHER_BASIS,
            legal_basis=basis.legal_basis,
            ends_at=earliest([end, known_move(person, now), *reference_ends(question, catalogue, law, now)]),
        )
    return None


def _by_consent(
    question: Question, person: Person, catalogue: Catalogue, *, with_end: bool, now: datetime
) -> DisclosureDecision:
    policy, category = catalogue.policy(now), catalogue.category(question.category, now)
    if policy is None or category is None:
        return _no(Reason.NO_POLICY)
    answer = _no(Reason.NO_CONSENT)
    for consent in person.consents:
        if not _names(consent, question, catalogue, now):
            continue
        rules = _Rules(catalogue, policy, category)
        refusal = _objection(consent, question, person, rules=rules, now=now)
        if refusal is None:
            end = _end(consent, question, person, rules=rules, now=now) if with_end else None
            return DisclosureDecision(
                permitted=True,
                reason=Reason.CONSENT,
                rests_on=consent.consent_id,
                legal_basis=consent.legal_basis,
                ends_at=end,
            )
        answer = _no(refusal)
    return answer


class _Rules(NamedTuple):
    catalogue: Catalogue
    policy: Policy
    category: Category


def _names(consent: Consent, question: Question, catalogue: Catalogue, now: datetime) -> bool:
    """Exactly this person, holder, recipient, purpose and category; nothing is inherited or implied (P7).

    A closed unit that a recorded decision maps counts for the one unit that it is mapped to (R36).
    """
    return (
        consent.status is Status.ACTIVE
        and consent.borger_id == question.borger_id
        and consent.purpose == question.purpose
        and question.category in consent.categories
        and catalogue.stands_for(consent.holder_unit, question.holder_unit, now)
        and catalogue.stands_for(consent.recipient_unit, question.recipient_unit, now)
    )


def _objection(consent: Consent, question: Question, person: Person, *, rules: _Rules, now: datetime) -> Reason | None:
    """Why a consent that names the question does not carry it now; None when it does."""
    if person.is_restricted(consent.consent_id, now):
        return Reason.RESTRICTED
    law = rules.catalogue.legal_basis(consent.legal_basis, now)
    if not rules.category.selectable:
        return Reason.NOT_SELECTABLE
    if law is None:
        return Reason.BASIS_NOT_IN_FORCE
    refusal = _outside_time(consent, law, now) or _undeclared(consent, person, rules, now)
    if refusal is not None:
        return refusal
    return Reason.CASE_CLOSED if has_no_open_case(person, question.recipient_unit, now) else None


def _end(consent: Consent, question: Question, person: Person, *, rules: _Rules, now: datetime) -> datetime | None:
    """The earliest moment at which time alone may end what the consent carries now."""
    law = rules.catalogue.legal_basis(consent.legal_basis, now)
    assert law is not None
    ends = [
        consent.ends_at,
        ceiling(consent, law),
        known_move(person, now),
        next_change(person.birth_date, person.custody, policy=rules.policy, now=now),
        next_turn(person.authorities, now),
        *mapping_ends(consent, rules.catalogue, now),
        *known_closings(person, question.recipient_unit, now),
    ]
    return earliest([*ends, *reference_ends(question, rules.catalogue, law, now)])


def _outside_time(consent: Consent, law: LegalBasis, now: datetime) -> Reason | None:
    if consent.given_at is None or consent.valid_from is None or now < consent.valid_from:
        return Reason.NOT_YET_VALID
    if now >= consent.valid_until:
        return Reason.EXPIRED
    today = ceiling(consent, law)
    past = now >= consent.ceiling_until or (today is not None and now >= today)
    return Reason.CEILING if past else None


def _undeclared(consent: Consent, person: Person, rules: _Rules, now: datetime) -> Reason | None:
    required = required_givers(
        person.borger_id,
        person.birth_date,
        person.custody,
        special=is_special(consent.categories, rules.catalogue, now),
        policy=rules.policy,
        now=now,
    )
    declared = represented(person, rules.policy, now).counted(consent.declarations, consent.purpose)
    if not required or not required <= declared.keys():
        return Reason.DECLARATION_MISSING
    if rules.category.special is None:
        return None
    affirmed = all(any(rules.category.code in item.affirmed_special for item in declared[giver]) for giver in required)
    return None if affirmed else Reason.NOT_AFFIRMED


def represented(person: Person, policy: Policy, now: datetime) -> Represented:
    """Who may speak for a person today, besides custody holders."""
    return Represented.on(person.borger_id, person.birth_date, person.authorities, policy=policy, now=now)


def is_special(categories: Iterable[str], catalogue: Catalogue, now: datetime) -> bool:
    """Whether any of the categories is of a special kind (R4); an unknown one counts as special."""
    return not catalogue.on(now).plain.issuperset(categories)


def has_no_open_case(person: Person, unit: str, now: datetime) -> bool:
    """The recipient had a case and none is open: it has no need any more (R9, R13). No case known is no objection."""
    cases = [case for case in person.cases if case.unit == unit] if person.cases else []
    return bool(cases) and all(case.closed_at is not None and case.closed_at <= now for case in cases)
