"""What makes reference data consistent. Each contradiction is refused with file, entry and field.

1. A code's versions have ascending validity without overlap; a version number stands once.
2. What an entry points at exists. A purpose asks only for selectable categories that its holders hold.
3. A basis that needs consent says what a no means, and has a ceiling; one that needs none has neither (R6, P6).
4. A text is under the legal basis of every purpose that uses it, and its words are those that its hash names (R10).
5. KRISECENTER is never selectable (R34); RAADIGHEDSVURDERING is standalone (R33); no basis is called SSD (R32).
6. A lifecycle event reveals nothing; any other reveals at least its own category, to purposes that ask for it.
7. A unit is mapped only while it is closed, to one other unit of the same administration (R36).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import pairwise

from services.consent.catalogue.entries import (
    POLICY,
    Catalogue,
    Entry,
    EntryT,
    EventType,
    LegalBasis,
    Policy,
    Purpose,
    Text,
    UnitMapping,
    Versions,
)
from services.consent.catalogue.labels import body, digest
from services.consent.model.bilingual import LANGUAGES
from services.consent.model.errors import CatalogueError

NEVER_SELECTABLE = frozenset({"KRISECENTER"})
ALWAYS_STANDALONE = frozenset({"RAADIGHEDSVURDERING"})
FORBIDDEN_BASES = frozenset({"SSD"})
EMERGENCY_HOURS_LIMIT = 168  # a week: what goes on longer is no emergency, and needs a decision of its own


def check(catalogue: Catalogue) -> None:
    """Raises CatalogueError at the first contradiction."""
    _check_versions(catalogue)
    for category in _all(catalogue.categories):
        if category.code in NEVER_SELECTABLE and category.selectable:
            raise _refused("categories", category, "selectable", "must be false: a refuge stay is never shared (R34)")
    for law in _all(catalogue.legal_bases):
        _check_legal_basis(law)
    for text in _all(catalogue.texts):
        _check_text(text, catalogue)
    for purpose in _all(catalogue.purposes):
        _check_purpose(purpose, catalogue)
    for event in _all(catalogue.event_types):
        _check_event_type(event, catalogue)
    for mapping in _all(catalogue.unit_mappings):
        _check_mapping(mapping, catalogue)
    _check_policy(catalogue)


def _all(versions: Versions[EntryT]) -> Iterator[EntryT]:
    for entries in versions.values():
        yield from entries


def _refused(kind: str, entry: Entry, field: str, problem: str) -> CatalogueError:
    return CatalogueError(f"{kind}.yaml", f"{entry.code} v{entry.version}", field, problem)


def _check_versions(catalogue: Catalogue) -> None:
    kinds: dict[str, Mapping[str, tuple[Entry, ...]]] = {
        "units": catalogue.units,
        "categories": catalogue.categories,
        "legal_bases": catalogue.legal_bases,
        "texts": catalogue.texts,
        "purposes": catalogue.purposes,
        "event_types": catalogue.event_types,
        "policies": catalogue.policies,
        "unit_mappings": catalogue.unit_mappings,
        "sources": catalogue.sources,
    }
    for kind, versions in kinds.items():
        for entry in _all(versions):
            if entry.valid_to is not None and entry.valid_to < entry.valid_from:
                raise _refused(kind, entry, "valid_to", "must not be before valid_from")
        for entries in versions.values():
            for older, newer in pairwise(entry for entry in entries if not entry.withdrawn):
                if older.version == newer.version:
                    raise _refused(kind, newer, "version", "stands twice")
                if older.valid_to is None or older.valid_to > newer.valid_from:
                    raise _refused(kind, newer, "valid_from", f"overlaps version {older.version}: set its valid_to")


def _check_legal_basis(law: LegalBasis) -> None:
    if law.code in FORBIDDEN_BASES:
        raise _refused("legal_bases", law, "code", "is no basis for a recipient in the employment administration (R32)")
    if law.needs_consent and law.consequence is None:
        raise _refused("legal_bases", law, "consequence", "is required where consent is needed (R6)")
    if law.needs_consent and (law.ceiling_months is None or law.ceiling_months < 1):
        raise _refused("legal_bases", law, "ceiling_months", "must be at least 1 where consent is needed (P6)")
    if law.emergency and law.needs_consent:
        raise _refused("legal_bases", law, "emergency", "must be false where consent is needed: it is for want of one")
    if not law.needs_consent and law.consequence is not None:
        raise _refused("legal_bases", law, "consequence", "must be null where no consent is asked for (R6)")


def _check_text(text: Text, catalogue: Catalogue) -> None:
    for law in catalogue.legal_bases.get(text.legal_basis, ()):
        if law.consequence is None:
            raise _refused("texts", text, "legal_basis", f"{text.legal_basis} needs no consent, so it has no text")
        for language in LANGUAGES:
            stated = text.sha256.da if language == "da" else text.sha256.en
            found = digest(body(text, law.consequence, language))
            if stated != found:
                raise _refused(
                    "texts", text, f"sha256.{language}", f"the words have changed: add a version, with sha256 {found}"
                )
    if text.legal_basis not in catalogue.legal_bases:
        raise _refused("texts", text, "legal_basis", f"{text.legal_basis} is not in legal_bases.yaml")


def _check_purpose(purpose: Purpose, catalogue: Catalogue) -> None:
    if purpose.legal_basis not in catalogue.legal_bases:
        raise _refused("purposes", purpose, "legal_basis", f"{purpose.legal_basis} is not in legal_bases.yaml")
    texts = catalogue.texts.get(purpose.text)
    if texts is None:
        raise _refused("purposes", purpose, "text", f"{purpose.text} is not in texts.yaml")
    if any(text.legal_basis != purpose.legal_basis for text in texts):
        raise _refused("purposes", purpose, "text", f"{purpose.text} is written for another legal basis (R6)")
    if purpose.code in ALWAYS_STANDALONE and not purpose.standalone:
        raise _refused("purposes", purpose, "standalone", "must be true: this is always a choice of its own (R33)")
    others = [other for other in _all(catalogue.purposes) if other.code != purpose.code]
    if purpose.standalone and any(other.text == purpose.text for other in others):
        raise _refused("purposes", purpose, "text", f"{purpose.text} is used by another purpose as well (R33)")
    if not purpose.categories:
        raise _refused("purposes", purpose, "categories", "must name at least one category (R2)")
    _check_offers(purpose, catalogue)


def _check_offers(purpose: Purpose, catalogue: Catalogue) -> None:
    if not purpose.between:
        raise _refused("purposes", purpose, "between", "must offer at least one direction")
    holding = set()
    for offer in purpose.between:
        for field, code in (("holder", offer.holder), ("recipient", offer.recipient)):
            if code not in catalogue.units:
                raise _refused("purposes", purpose, f"between.{field}", f"{code} is not in units.yaml")
        if offer.holder == offer.recipient:
            raise _refused("purposes", purpose, "between.recipient", f"{offer.recipient} would be telling itself")
        holding |= {unit.administration for unit in catalogue.units[offer.holder]}
    for code in purpose.categories:
        versions = catalogue.categories.get(code)
        if versions is None:
            raise _refused("purposes", purpose, "categories", f"{code} is not in categories.yaml")
        if not versions[-1].selectable:
            raise _refused("purposes", purpose, "categories", f"{code} is not selectable (R34)")
        if not holding & set(versions[-1].holders):
            raise _refused("purposes", purpose, "categories", f"{code} is held by none of the holders in between")


def _check_event_type(event: EventType, catalogue: Catalogue) -> None:
    if event.lifecycle:
        if event.category is not None or event.purposes or event.reveals:
            raise _refused("event_types", event, "lifecycle", "a lifecycle event has no category, purposes or reveals")
        return
    if event.category is None:
        raise _refused("event_types", event, "category", "is required unless the event is lifecycle only")
    if not event.purposes:
        raise _refused("event_types", event, "purposes", "must name at least one purpose")
    revealed = [reveal.category for reveal in event.reveals]
    if event.category not in revealed:
        raise _refused("event_types", event, "reveals", f"must include the event's own category {event.category}")
    if len(set(revealed)) != len(revealed):
        raise _refused("event_types", event, "reveals", "must name each category once")
    for code in revealed:
        if code not in catalogue.categories:
            raise _refused("event_types", event, "reveals", f"{code} is not in categories.yaml")
    _check_event_purposes(event, catalogue)


def _check_event_purposes(event: EventType, catalogue: Catalogue) -> None:
    about_family = any(reveal.role != "citizen" for reveal in event.reveals)
    for code in event.purposes:
        versions = catalogue.purposes.get(code)
        if versions is None:
            raise _refused("event_types", event, "purposes", f"{code} is not in purposes.yaml")
        for purpose in (version for version in versions if event.meets(version)):
            missing = {reveal.category for reveal in event.reveals} - set(purpose.categories)
            if missing:
                raise _refused("event_types", event, "purposes", f"{code} does not ask for {min(missing)}")
            if about_family and not purpose.family:
                raise _refused("event_types", event, "purposes", f"{code} is not a family purpose (R12)")


def _check_mapping(mapping: UnitMapping, catalogue: Catalogue) -> None:
    """One closed unit counts for one unit in force of the same administration; never for itself, never two (R36)."""
    if mapping.withdrawn:
        return
    closed, target = catalogue.units.get(mapping.code), catalogue.units.get(mapping.to_unit)
    if closed is None:
        raise _refused("unit_mappings", mapping, "code", "is not a unit")
    if target is None or mapping.to_unit == mapping.code:
        raise _refused("unit_mappings", mapping, "to_unit", "must be another unit")
    if any(unit.meets(mapping) for unit in closed):
        raise _refused("unit_mappings", mapping, "valid_from", "the unit that is mapped must be closed by then")
    if not any(unit.valid_on(mapping.valid_from) for unit in target):
        raise _refused("unit_mappings", mapping, "to_unit", "must be in force when the mapping begins")
    if {unit.administration for unit in closed} != {unit.administration for unit in target}:
        raise _refused("unit_mappings", mapping, "to_unit", "must be in the same administration")
    if mapping.decided_on > mapping.valid_from:
        raise _refused("unit_mappings", mapping, "decided_on", "must not be after valid_from")


def _check_policy(catalogue: Catalogue) -> None:
    if POLICY not in catalogue.policies:
        raise CatalogueError("policies.yaml", POLICY, "code", "is required")
    for policy in _all(catalogue.policies):
        _check_limits(policy)


def _check_limits(policy: Policy) -> None:
    if not 0 < policy.involved_age <= policy.own_declaration_age <= policy.adult_age:
        raise _refused("policies", policy, "own_declaration_age", "ages must ascend: involved, own declaration, adult")
    if not 0 < policy.consent_months_default <= policy.consent_months_max:
        raise _refused("policies", policy, "consent_months_default", "must be between 1 and consent_months_max")
    if not 0 < policy.emergency_hours_max <= EMERGENCY_HOURS_LIMIT:
        raise _refused("policies", policy, "emergency_hours_max", f"must be between 1 and {EMERGENCY_HOURS_LIMIT}")


def turning_days(entries: Iterable[Entry]) -> tuple[date, ...]:
    """The days on which one of these begins or ends, ascending. A version withdrawn before it began turns nothing."""
    in_force = [entry for entry in entries if entry.valid_from != entry.valid_to]
    ends = {entry.valid_to for entry in in_force if entry.valid_to is not None}
    return tuple(sorted(ends | {entry.valid_from for entry in in_force}))
