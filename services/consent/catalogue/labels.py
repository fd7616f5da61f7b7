"""The catalogue's words for a code, also for one that has ended: what was given under it must still be told."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from services.consent.catalogue.entries import Catalogue, Category, Entry, LegalBasis, Text, Unit, Versions
from services.consent.model.bilingual import Bilingual, Language

EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True, slots=True)
class CatalogueLabels:
    """Words at a moment, in a language."""

    catalogue: Catalogue
    at: datetime
    language: Language

    def unit(self, code: str) -> str:
        """The unit's name, or its last one when it is closed; the code when it was never known."""
        return self._label(code, self.unit_entry(code))

    def purpose(self, code: str) -> str:
        """As `unit`."""
        return self._label(code, self._entry(self.catalogue.purposes, code, self.catalogue.purpose(code, self.at)))

    def category(self, code: str) -> str:
        """As `unit`."""
        return self._label(code, self.category_entry(code))

    def event_type(self, code: str) -> str:
        """As `unit`."""
        found = self.catalogue.event_type(code, self.at)
        return self._label(code, self._entry(self.catalogue.event_types, code, found))

    def law(self, code: str) -> str:
        """As `unit`."""
        return self._label(code, self.law_entry(code))

    def unit_entry(self, code: str) -> Unit | None:
        """The unit in force, else its last version."""
        return self._entry(self.catalogue.units, code, self.catalogue.unit(code, self.at))

    def category_entry(self, code: str) -> Category | None:
        """As `unit_entry`."""
        return self._entry(self.catalogue.categories, code, self.catalogue.category(code, self.at))

    def law_entry(self, code: str) -> LegalBasis | None:
        """As `unit_entry`."""
        return self._entry(self.catalogue.legal_bases, code, self.catalogue.legal_basis(code, self.at))

    def is_special(self, code: str) -> bool:
        """Whether the category is sensitive (R4); one that is unknown counts as sensitive."""
        entry = self.category_entry(code)
        return entry is None or entry.special is not None

    def _label(self, code: str, entry: Entry | None) -> str:
        return code if entry is None else entry.label.get(self.language)

    @staticmethod
    def _entry(versions: Versions[EntryT], code: str, in_force: EntryT | None) -> EntryT | None:
        known = versions.get(code, ())
        return in_force or (known[-1] if known else None)


def body(text: Text, consequence: Bilingual, language: Language) -> str:
    """The exact words shown: the sections, then what a no means under this legal basis (R6), one paragraph each."""
    parts = text.da if language == "da" else text.en
    paragraphs = (parts.who, parts.what, parts.why, parts.how_long, parts.withdraw, consequence.get(language))
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs)


def digest(words: str) -> str:
    """SHA-256 of the UTF-8 words, in lower-case hexadecimal: the evidence of what was shown (R10)."""
    return sha256(words.encode()).hexdigest()
