"""What no municipality may ask a citizen to say yes to, and what every text must say: the linter of the catalogue.

It reads words, so it is no lawyer: it refuses what is known to be wrong, and lets nothing through that leaves out what
GDPR article 13 and the legal basis ask for. Each refusal is a named rule, the field, and the reason with its source:

- R2, no blanket consent: kinds of information, holder, recipient and purpose are named, and none of them is "all".
- R33, sanctions stand alone: neither in a purpose nor in a text beside anything else, and the text names the risk.
- R6, the consequence of a no is the one of the text's own legal basis, never another's.
- GDPR art. 13 and 7(3): controller, purpose, kinds, recipients, period, withdrawal, whom to write to, complaint.
- R31, the duty to notify about a child stays, and the text says so. R34, a refuge is not revealed. R42, LIX at most 35.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from services.consent.catalogue.entries import POLICY, Catalogue, Category, Entry, LegalBasis, Purpose, Text
from services.consent.catalogue.labels import body
from services.consent.catalogue.readability import LIX_MAX, lix
from services.consent.catalogue_administration.lint_reading import months_stated, readings
from services.consent.catalogue_administration.lint_words import (
    BLANKET,
    CONSEQUENCE_BENEFITS,
    CONSEQUENCE_LAW,
    FORBIDDEN_PURPOSES,
    RECIPIENTS,
    SAID,
    SANCTION,
    Pattern,
)
from services.consent.model.bilingual import LANGUAGES, Bilingual, Language

SANCTION_PURPOSE, SANCTION_CATEGORY = "RAADIGHEDSVURDERING", "RAADIGHED_SANKTION"
DECIDED_BY_LAW = frozenset({"RSL_11A", "FVL_29"})
"""The bases on which a no lets the case be decided on what is there (retssikkerhedsloven § 11 b)."""


class Rule(StrEnum):
    """The name of a refusal."""

    BLANKET = "blanket_consent"
    RECIPIENTS = "unlimited_recipients"
    FORBIDDEN_PURPOSE = "forbidden_purpose"
    MISSING = "required_statement_missing"
    PERIOD = "period_beyond_ceiling"
    CONSEQUENCE = "consequence_missing"
    WRONG_CONSEQUENCE = "consequence_of_another_basis"
    SANCTIONS = "sanctions_bundled"
    SANCTION_RISK = "sanction_risk_not_named"
    REFUGE = "refuge_revealed"
    HARD = "hard_to_read"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to refuse an entry. `field`: where, dotted; `reason`: what must change, and its source."""

    rule: Rule
    field: str
    reason: str


def lint(entry: Entry, catalogue: Catalogue) -> tuple[Finding, ...]:
    """Everything that is wrong with an entry, beside the rest of its catalogue; nothing for a kind nobody reads."""
    rules = _RULES.get(type(entry))
    return () if rules is None else tuple(rules(entry, catalogue))


def lint_newest(catalogue: Catalogue) -> Iterator[tuple[str, Entry, Finding]]:
    """The kind, the entry and the finding, for the newest version of every entry; older ones are evidence."""
    kinds = {"texts": catalogue.texts, "purposes": catalogue.purposes, "categories": catalogue.categories}
    for kind, versions in {**kinds, "legal_bases": catalogue.legal_bases}.items():
        for entries in versions.values():
            for finding in lint(entries[-1], catalogue):
                yield kind, entries[-1], finding


def is_about_sanctions(purpose: Purpose) -> bool:
    """Whether saying yes to this purpose can lead to, or tells of, a sanction (R33)."""
    return purpose.code == SANCTION_PURPOSE or SANCTION_CATEGORY in purpose.categories


def _text(text: Text, catalogue: Catalogue) -> Iterator[Finding]:
    for language in LANGUAGES:
        sections = text.da if language == "da" else text.en
        for name in ("who", "what", "why", "how_long", "withdraw"):
            words, field = getattr(sections, name), f"{language}.{name}"
            yield from _too_much(words, language, field)
            for needed in SAID[language][name]:
                if not _says(needed.pattern, words):
                    yield Finding(Rule.MISSING, field, needed.reason)
        yield from _named(sections.who, sections.withdraw, language, catalogue)
        yield from _period(text, sections.how_long, language, catalogue)
        whole = f"{sections.who}\n\n{sections.what}\n\n{sections.why}\n\n{sections.how_long}\n\n{sections.withdraw}"
        yield from _sanctions_in(text, whole, language, catalogue)
        if _says(CONSEQUENCE_LAW[language], whole) or _says(CONSEQUENCE_BENEFITS[language], whole):
            yield Finding(
                Rule.WRONG_CONSEQUENCE, language, "the legal basis says what a no means, the sections never (R6)"
            )
    for law in catalogue.legal_bases.get(text.legal_basis, ())[-1:]:
        if law.consequence is not None:
            yield from _readable(body(text, law.consequence, "da"), "da")


def _named(who: str, withdraw: str, language: Language, catalogue: Catalogue) -> Iterator[Finding]:
    for policy in catalogue.policies.get(POLICY, ())[-1:]:
        if not _names(policy.controller, who):
            yield Finding(Rule.MISSING, f"{language}.who", "names the controller as policy does (GDPR art. 13(1)(a))")
        if not _names(policy.contact, withdraw):
            yield Finding(
                Rule.MISSING, f"{language}.withdraw", "names the data protection officer's address (GDPR art. 13(1)(b))"
            )


def _period(text: Text, how_long: str, language: Language, catalogue: Catalogue) -> Iterator[Finding]:
    stated = months_stated(how_long, language)
    for law in catalogue.legal_bases.get(text.legal_basis, ())[-1:]:
        if law.ceiling_months is not None and any(months > law.ceiling_months for months in stated):
            yield Finding(Rule.PERIOD, f"{language}.how_long", "says longer than the legal basis lets it hold (P6)")


def _sanctions_in(text: Text, whole: str, language: Language, catalogue: Catalogue) -> Iterator[Finding]:
    users = [versions[-1] for versions in catalogue.purposes.values() if versions[-1].text == text.code]
    named = _says(SANCTION[language], whole)
    if named and not all(is_about_sanctions(purpose) for purpose in users):
        yield Finding(Rule.SANCTIONS, language, "speaks of sanctions beside something else (R33)")
    if not named and any(is_about_sanctions(purpose) for purpose in users):
        yield Finding(Rule.SANCTION_RISK, language, "must name the risk of a sanction (R33)")


def _purpose(purpose: Purpose, catalogue: Catalogue) -> Iterator[Finding]:
    yield from _label(purpose.label)
    for language in LANGUAGES:
        if _says(FORBIDDEN_PURPOSES[language], purpose.label.get(language)):
            yield Finding(Rule.FORBIDDEN_PURPOSE, f"label.{language}", "is never a purpose of a consent (R14)")
    yield from _readable(purpose.label.da, "label.da")
    if any("KRISECENTER" in unit for offer in purpose.between for unit in (offer.holder, offer.recipient)):
        yield Finding(Rule.REFUGE, "between", "a unit whose name reveals a stay at a refuge is not offered (R34)")
    if is_about_sanctions(purpose):
        yield from _stands_alone(purpose, catalogue)
    for text in catalogue.texts.get(purpose.text, ())[-1:]:
        for finding in _text(text, catalogue):
            if finding.rule in {Rule.SANCTIONS, Rule.SANCTION_RISK}:
                yield Finding(finding.rule, "text", finding.reason)


def _stands_alone(purpose: Purpose, catalogue: Catalogue) -> Iterator[Finding]:
    if not purpose.standalone:
        yield Finding(Rule.SANCTIONS, "standalone", "what is about sanctions is always a choice of its own (R33)")
    if SANCTION_CATEGORY in purpose.categories and len(purpose.categories) > 1:
        yield Finding(Rule.SANCTIONS, "categories", f"{SANCTION_CATEGORY} shares a purpose with nothing (R33)")
    others = (versions[-1] for code, versions in catalogue.purposes.items() if code != purpose.code)
    if any(other.text == purpose.text for other in others):
        yield Finding(Rule.SANCTIONS, "text", "what is about sanctions shares its text with nothing (R33)")


def _category(category: Category, _catalogue: Catalogue) -> Iterator[Finding]:
    yield from _label(category.label)


def _legal_basis(law: LegalBasis, _catalogue: Catalogue) -> Iterator[Finding]:
    if law.consequence is None:
        return
    by_law = law.code in DECIDED_BY_LAW
    for language in LANGUAGES:
        words, field = law.consequence.get(language), f"consequence.{language}"
        says_law = _says(CONSEQUENCE_LAW[language], words)
        says_benefits = _says(CONSEQUENCE_BENEFITS[language], words)
        if by_law and not says_law:
            yield Finding(Rule.CONSEQUENCE, field, "must say what retssikkerhedsloven § 11 b says of a no (R6)")
        if not by_law and not says_benefits:
            yield Finding(Rule.CONSEQUENCE, field, "must say that a no does not affect the citizen's benefits (R6)")
        if (says_benefits and by_law) or (says_law and not by_law):
            yield Finding(Rule.WRONG_CONSEQUENCE, field, "is the consequence of another legal basis (R6)")
    yield from _readable(law.consequence.da, "consequence.da")


def _label(label: Bilingual) -> Iterator[Finding]:
    for language in LANGUAGES:
        yield from _too_much(label.get(language), language, f"label.{language}")


def _too_much(words: str, language: Language, field: str) -> Iterator[Finding]:
    if _says(BLANKET[language], words):
        yield Finding(Rule.BLANKET, field, "asks for more than named kinds of information (R2)")
    if _says(RECIPIENTS[language], words):
        yield Finding(Rule.RECIPIENTS, field, "names nobody in particular as holder or recipient (R2)")


def _says(pattern: Pattern, words: str) -> bool:
    return any(pattern.search(text) for text in readings(words))


def _names(name: str, words: str) -> bool:
    return any(name in text for name in readings(name) for text in readings(words))


def _readable(words: str, field: str) -> Iterator[Finding]:
    if lix(words) > LIX_MAX:
        yield Finding(Rule.HARD, field, f"has a LIX of {lix(words)}, above {LIX_MAX:.0f} (R42)")


_RULES: dict[type[Entry], Callable[..., Iterator[Finding]]] = {
    Text: _text,
    Purpose: _purpose,
    Category: _category,
    LegalBasis: _legal_basis,
}
