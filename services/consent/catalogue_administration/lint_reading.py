"""The words of a text as the linter compares them: whatever a reader cannot see or would not heed is taken out.

Words are read in two ways, since a character that leaves no mark may stand inside a word or between two: once without
it, once with a blank in its place. A rule that is broken in one reading is broken.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_BLANKS = re.compile(r"\s+")
_DASHES = re.compile(r"\s*[\u2010-\u2015\u2212-]\s*")
_HALVES = re.compile(r"(\d*)½")
_FORMATS: Final = "Cf"  # soft hyphen, zero-width space and joiners: they format and leave no mark

_COUNTED: Final = {
    "da": "nul en to tre fire fem seks syv otte ni ti elleve tolv tretten fjorten femten seksten sytten atten nitten",
    "en": "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen",
}
_FURTHER: Final[dict[str, dict[str, float]]] = {
    "da": {
        "et": 1,
        "én": 1,
        "ét": 1,
        "halvandet": 1.5,
        "halvanden": 1.5,
        "par": 2,
        "tyve": 20,
        "fireogtyve": 24,
        "tredive": 30,
        "seksogtredive": 36,
        "fyrre": 40,
        "otteogfyrre": 48,
        "halvtreds": 50,
        "tres": 60,
    },
    "en": {
        "a": 1,
        "an": 1,
        "couple of": 2,
        "twenty": 20,
        "twenty four": 24,
        "twenty-four": 24,
        "thirty": 30,
        "thirty six": 36,
        "thirty-six": 36,
        "forty": 40,
        "forty eight": 48,
        "forty-eight": 48,
        "sixty": 60,
    },
}
_MONTHS_IN: Final[dict[str, dict[str, float]]] = {
    "da": {"måned": 1, "mdr": 1, "md": 1, "år": 12, "uge": 7 / 31, "dag": 1 / 31, "døgn": 1 / 31},
    "en": {"month": 1, "mo": 1, "year": 12, "week": 7 / 31, "day": 1 / 31},
}
# An age is no period: "fylder 18 år", "18 years old".
_AGE: Final = {
    "da": r"(?<!fylder )(?<!fyldt ){}(?! gammel| gamle|ig)",
    "en": r"(?<!turns )(?<!turned )(?<!is ){}(?! old| of age)",
}
_NO_END: Final = {
    "da": re.compile(r"\b(?:for altid|ubegrænset|indtil videre|uden (?:tidsbegrænsning|tidsgrænse|udløb))\b"),
    "en": re.compile(r"\b(?:for ever|forever|indefinitely|until further notice|without (?:a )?(?:time )?limit)\b"),
}


def readings(words: str) -> Iterator[str]:
    """`words` as they are compared: NFKC, one blank, one kind of hyphen, nothing that leaves no mark; once or twice."""
    text = unicodedata.normalize("NFKC", _HALVES.sub(lambda half: f"{half[1] or 0},5", words))
    hidden = {character for character in text if unicodedata.category(character) == _FORMATS}
    for instead in ("", " ") if hidden else ("",):
        seen = "".join(instead if character in hidden else character for character in text)
        yield _DASHES.sub("-", _BLANKS.sub(" ", seen)).strip()


def _numbers(language: str) -> dict[str, float]:
    return {word: float(n) for n, word in enumerate(_COUNTED[language].split())} | _FURTHER[language]


def _period(language: str) -> re.Pattern[str]:
    words = "|".join(sorted(_numbers(language), key=len, reverse=True))
    number = rf"\b(?P<number>\d+(?:[.,]\d+)?|{words})"
    unit = "|".join(sorted(_MONTHS_IN[language], key=len, reverse=True))
    adjectives = r"(?: (?:hele|fulde|full|whole|calendar))?"
    period = rf"{number}{adjectives}[ -]?(?:kalender)?(?P<unit>{unit})(?:er|r|e|s)?\b"
    return re.compile(_AGE[language].format(period), re.IGNORECASE)


_PERIODS: Final = {language: _period(language) for language in _COUNTED}


def months_stated(words: str, language: str) -> list[float]:
    """Every period that `words` name, in months of 31 days; infinite where they say that there is no end."""
    found = []
    for text in readings(words):
        for period in _PERIODS[language].finditer(text):
            given = period["number"].lower()
            number = _numbers(language).get(given) or float(given.replace(",", "."))
            found.append(number * _MONTHS_IN[language][period["unit"].lower()])
        if _NO_END[language].search(text.lower()):
            found.append(float("inf"))
    return found
