"""When a recorded basis that needs no consent carries a disclosure, and until when (P6).

1. It answers exactly one question: person, holder, recipient, purpose and category; nothing is inherited or implied.
2. Its legal basis needs no consent and is in force *now*; the ceiling that it has today wins over what was typed.
3. An emergency rests on a provision made for emergencies and on no other, and lasts at most the hours that the
   municipality's policy allows; no other basis may rest on such a provision, so its limit cannot be avoided.
4. An emergency stands before the citizen's refusal and before a restriction, by its nature: to avert a danger to life
   is not theirs alone to forbid (GDPR art. 6(1)(d), 9(2)(c), 18(2); forvaltningsloven §§ 28 and 29, to be confirmed by
   a jurist). It is its own step with its own reason, told the citizen at once, and reviewed. Nothing is disclosed about
   the dead.
5. Any other basis gives way to a refusal, and to a restriction of everything: art. 18(2) leaves storage, the person's
   own consent, legal claims, the rights of another and important public interest, and nothing recorded here says that
   it is one of those (our own choice). A restriction of one consent stops that consent alone.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.consent.catalogue.entries import Catalogue, LegalBasis, Policy
from services.consent.decision.snapshot import OtherBasis, Person, Question
from services.consent.model.calendar import add_months


def ends_at(basis: OtherBasis, law: LegalBasis, policy: Policy) -> datetime:
    """The moment from which it carries nothing, by what was recorded and by what law and policy allow today."""
    ends = [basis.valid_until]
    if basis.ended_at is not None:
        ends.append(basis.ended_at)
    if law.ceiling_months is not None:
        ends.append(add_months(basis.valid_from, law.ceiling_months))
    if basis.emergency:
        ends.append(basis.valid_from + timedelta(hours=policy.emergency_hours_max))
    return min(ends)


def latest_end(law: LegalBasis, policy: Policy, *, emergency: bool, since: datetime) -> datetime:
    """How long one recorded at `since` may last: hours for an emergency, else the law's ceiling, else the policy's."""
    if emergency:
        return since + timedelta(hours=policy.emergency_hours_max)
    months = policy.consent_months_max if law.ceiling_months is None else law.ceiling_months
    return add_months(since, months)


def carriers(
    question: Question, person: Person, catalogue: Catalogue, *, emergency: bool, now: datetime
) -> Iterator[tuple[OtherBasis, LegalBasis, datetime]]:
    """Each basis that carries the disclosure now, with its law and its end. Without a policy in force, none does."""
    policy = catalogue.policy(now)
    for basis in person.other_bases:
        law = catalogue.legal_basis(basis.legal_basis, now)
        if policy is None or law is None or law.needs_consent or not _answers(basis, question):
            continue
        if basis.emergency is not emergency or law.emergency is not emergency:
            continue
        end = ends_at(basis, law, policy)
        if basis.valid_from <= now < end:
            yield basis, law, end


def _answers(basis: OtherBasis, question: Question) -> bool:
    return (basis.holder_unit, basis.recipient_unit, basis.purpose, basis.category) == (
        question.holder_unit,
        question.recipient_unit,
        question.purpose,
        question.category,
    )
