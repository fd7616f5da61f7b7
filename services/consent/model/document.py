"""What a citizen can keep on paper or have read aloud: a title, a first sentence, sections in order, and files with it.

Plain values; `pdf` lays them out. Every word is shown as it stands, none is read as markup.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.consent.model.bilingual import Bilingual, Language
from services.consent.model.calendar import DENMARK

_MONTHS: dict[Language, tuple[str, ...]] = {
    "da": (
        *("januar", "februar", "marts", "april", "maj", "juni"),
        *("juli", "august", "september", "oktober", "november", "december"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}
PAGE = Bilingual(da="Side", en="Page")


@dataclass(frozen=True, slots=True)
class Section:
    """One heading with its sentences, then its facts (term and value), then a table whose first row is `columns`.

    `language`: of the sentences, where it is not the document's: a screen reader changes its voice.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    level: Literal[1, 2] = 1
    language: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file that lies in the document, so that what proves it cannot get lost. `content`: text."""

    name: str
    media_type: str
    description: str
    content: str


@dataclass(frozen=True, slots=True)
class Document:
    """The whole. `at`: the moment it stands for; `author`: the municipality."""

    language: Language
    title: str
    lead: str
    author: str
    at: datetime
    sections: tuple[Section, ...]
    files: tuple[File, ...] = ()


def spoken_date(moment: datetime, language: Language) -> str:
    """The date in Denmark as it is said: `22. november 2026`, `22 November 2026`."""
    local = moment.astimezone(DENMARK)
    month = _MONTHS[language][local.month - 1]
    return f"{local.day}. {month} {local.year}" if language == "da" else f"{local.day} {month} {local.year}"


def spoken_time(moment: datetime, language: Language) -> str:
    """Date and time of day in Denmark: `22. november 2026 kl. 11.05`, `22 November 2026 at 11:05`."""
    local = moment.astimezone(DENMARK)
    date = spoken_date(moment, language)
    return f"{date} kl. {local:%H.%M}" if language == "da" else f"{date} at {local:%H:%M}"
