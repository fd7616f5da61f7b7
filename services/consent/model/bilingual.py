"""A text in Danish and English."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["da", "en"]


LANGUAGES: tuple[Language, ...] = ("da", "en")


@dataclass(frozen=True, slots=True)
class Bilingual:
    """The same words in Danish and in English; both are always there (R42)."""

    da: str
    en: str

    def get(self, language: Language) -> str:
        """The words in one of the two languages."""
        return self.da if language == "da" else self.en
