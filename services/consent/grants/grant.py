"""What makes a consent concrete enough to store (R2, R3, R4, R9, R10, R33, R34). What is not is refused by field.

One request is one purpose, one holder, one recipient: there is no form in which a blanket consent could be said.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.consent.catalogue.entries import Catalogue, Category, Entry, Policy, Purpose, Text
from services.consent.consents.consent import Consent, Status
from services.consent.model.bilingual import Language
from services.consent.model.calendar import add_months, age_on, danish_date
from services.consent.model.errors import NotSpecificError


@dataclass(frozen=True, slots=True)
class Ask:
    """What the citizen said yes to, as it came in. `affirmed_special`: the special categories affirmed one by one."""

    borger_id: UUID
    purpose: str
    holder_unit: str
    recipient_unit: str
    categories: frozenset[str]
    language: Language
    text_version: int | None
    text_sha256: str
    valid_until: datetime | None
    affirmed_special: frozenset[str]


def draft(ask: Ask, catalogue: Catalogue, *, born: date, consent_id: UUID, now: datetime) -> Consent:
    """The consent that nobody has declared yet. Raises NotSpecificError naming the field and what is known there."""
    policy = _policy(catalogue, now)
    purpose = _offered(ask, catalogue, now)
    categories = [_category(code, purpose, catalogue, now) for code in sorted(ask.categories)]
    if not categories:
        raise NotSpecificError("must name at least one category", field="categories", known=purpose.categories)
    _check_held(ask, categories, catalogue, now)
    _check_subject(categories, born, policy, now)
    _check_affirmed(ask, categories)
    text = _text(ask, purpose, catalogue, now)
    law = catalogue.legal_basis(purpose.legal_basis, now)
    if law is None or not law.needs_consent or law.ceiling_months is None:
        raise NotSpecificError("has no legal basis in force that asks for consent", field="purpose")
    ceiling = add_months(now, law.ceiling_months)
    return Consent(
        consent_id=consent_id,
        borger_id=ask.borger_id,
        purpose=purpose.code,
        purpose_version=purpose.version,
        holder_unit=ask.holder_unit,
        recipient_unit=ask.recipient_unit,
        categories=ask.categories,
        legal_basis=law.code,
        text_code=text.code,
        text_version=text.version,
        text_sha256=ask.text_sha256,
        language=ask.language,
        status=Status.REQUESTED,
        requested_at=now,
        given_at=None,
        valid_from=None,
        valid_until=min(_until(ask, policy, now), ceiling),
        ceiling_until=ceiling,
    )


def _policy(catalogue: Catalogue, now: datetime) -> Policy:
    policy = catalogue.policy(now)
    if policy is None:
        raise NotSpecificError("no policy is in force", field="purpose")
    return policy


def _in_force(versions: dict[str, tuple[Entry, ...]], now: datetime) -> tuple[str, ...]:
    today = danish_date(now)
    return tuple(sorted(code for code, entries in versions.items() if any(item.valid_on(today) for item in entries)))


def _offered(ask: Ask, catalogue: Catalogue, now: datetime) -> Purpose:
    purpose = catalogue.purpose(ask.purpose, now)
    if purpose is None:
        raise NotSpecificError(
            "must be a purpose in force", field="purpose", known=_in_force({**catalogue.purposes}, now)
        )
    holders = tuple(sorted({offer.holder for offer in purpose.between}))
    if ask.holder_unit not in holders or catalogue.unit(ask.holder_unit, now) is None:
        raise NotSpecificError("must be a holder unit of this purpose", field="holder_unit", known=holders)
    recipients = tuple(sorted(offer.recipient for offer in purpose.between if offer.holder == ask.holder_unit))
    if ask.recipient_unit not in recipients or catalogue.unit(ask.recipient_unit, now) is None:
        raise NotSpecificError(
            "must be a recipient unit of this purpose and holder", field="recipient_unit", known=recipients
        )
    return purpose


def _category(code: str, purpose: Purpose, catalogue: Catalogue, now: datetime) -> Category:
    category = catalogue.category(code, now)
    if category is not None and not category.selectable:
        raise NotSpecificError(
            "holds a category that nobody can consent to", field="categories", known=purpose.categories
        )
    if category is None or code not in purpose.categories:
        raise NotSpecificError("must be categories of this purpose", field="categories", known=purpose.categories)
    return category


def _check_held(ask: Ask, categories: list[Category], catalogue: Catalogue, now: datetime) -> None:
    holder = catalogue.unit(ask.holder_unit, now)
    if holder is None or any(holder.administration not in item.holders for item in categories):
        raise NotSpecificError("holds a category that this holder unit does not have", field="categories")


def _check_subject(categories: list[Category], born: date, policy: Policy, now: datetime) -> None:
    """What is about a child belongs in the child's own consent (R12)."""
    adult = age_on(born, danish_date(now)) >= policy.adult_age
    if adult and any(item.subject == "child" for item in categories):
        raise NotSpecificError("holds a category about a child: it needs the child's own consent", field="categories")


def _check_affirmed(ask: Ask, categories: list[Category]) -> None:
    special = {item.code for item in categories if item.special is not None}
    if ask.affirmed_special != special:
        raise NotSpecificError(
            "must name each special category of the request, and nothing else",
            field="affirmed_special",
            known=tuple(sorted(special)),
        )


def _text(ask: Ask, purpose: Purpose, catalogue: Catalogue, now: datetime) -> Text:
    text = catalogue.text(purpose.text, now)
    if text is None:
        raise NotSpecificError("has no text in force", field="purpose")
    if ask.text_version is not None and ask.text_version != text.version:
        raise NotSpecificError("is not the version in force", field="text_version", known=(str(text.version),))
    expected = text.sha256.da if ask.language == "da" else text.sha256.en
    if ask.text_sha256 != expected:
        raise NotSpecificError("is not the hash of the text in force", field="text_sha256")
    return text


def _until(ask: Ask, policy: Policy, now: datetime) -> datetime:
    latest = add_months(now, policy.consent_months_max)
    if ask.valid_until is None:
        return add_months(now, policy.consent_months_default)
    if not now < ask.valid_until <= latest:
        months = policy.consent_months_max
        raise NotSpecificError(f"must lie ahead, at most {months} months", field="valid_until")
    return ask.valid_until
