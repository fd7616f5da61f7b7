"""The moments at which time alone may change a yes, as far as reference data says (P6)."""

from collections.abc import Iterable
from datetime import datetime

from services.consent.catalogue.entries import Catalogue, Entry, LegalBasis
from services.consent.consents.consent import Consent
from services.consent.decision.snapshot import Person, Question
from services.consent.model.calendar import danish_midnight


def reference_ends(question: Question, catalogue: Catalogue, law: LegalBasis, now: datetime) -> list[datetime | None]:
    """When the law, the units, the purpose or the category of a question end."""
    entries: tuple[Entry | None, ...] = (
        law,
        catalogue.unit(question.holder_unit, now),
        catalogue.unit(question.recipient_unit, now),
        catalogue.purpose(question.purpose, now),
        catalogue.category(question.category, now),
    )
    return [danish_midnight(item.valid_to) for item in entries if item is not None and item.valid_to is not None]


def mapping_ends(consent: Consent, catalogue: Catalogue, now: datetime) -> list[datetime]:
    """When the decisions end that let the consent count for another unit than it names (R36)."""
    mappings = (catalogue.on(now).unit_mappings.get(unit) for unit in (consent.holder_unit, consent.recipient_unit))
    return [danish_midnight(item.valid_to) for item in mappings if item is not None and item.valid_to is not None]


def known_move(person: Person, now: datetime) -> datetime | None:
    """A move out that is told of before its day."""
    out = None if person.moved_out_on is None else danish_midnight(person.moved_out_on)
    return out if out is not None and out > now else None


def known_closings(person: Person, unit: str, now: datetime) -> list[datetime]:
    """Closings of a recipient's cases that are told of before their day."""
    closings = [case.closed_at for case in person.cases if case.unit == unit and case.closed_at is not None]
    return [moment for moment in closings if moment > now]


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """The first of them; None is no end."""
    return min((moment for moment in moments if moment is not None), default=None)
