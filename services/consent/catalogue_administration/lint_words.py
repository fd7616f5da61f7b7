"""The words that the linter of the catalogue knows, in Danish and English. Another municipality adds its own here."""

import re
from dataclasses import dataclass

Pattern = re.Pattern[str]


# Two words of a phrase are no further apart for a comma or a hyphen between them; `(?: \w+)` is a word of its own.
_APART = r"[ ,;/-]+"
_ANY_WORD = r"(?: \w+)"


def _any(*phrases: str) -> Pattern:
    """Any of `phrases`, in a text as `text_reading.readings` gives it."""
    apart = "|".join(_ANY_WORD.join(part.replace(" ", _APART) for part in one.split(_ANY_WORD)) for one in phrases)
    return re.compile(rf"\b(?:{apart})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Needed:
    """What a section must say, and why."""

    pattern: Pattern
    reason: str


_KINDS_FOLLOW = r"(?!\s*(?:om dig\s*)?:)"  # "relevante oplysninger: ..." names them
BLANKET = {
    "da": _any(
        r"alle(?: \w+){0,3} oplysninger\b",
        r"alle data\b",
        r"(?:enhver|hver en) oplysning\b",
        r"(?:de )?(?:relevante|nødvendige|øvrige|andre|diverse|generelle)(?: \w+)? oplysninger\b" + _KINDS_FOLLOW,
        r"oplysninger af enhver art\b",
        r"alt(?:,)? (?:om dig|hvad vi ved|vi ved|der er relevant)\b",
        r"hele din sag\b",
        r"alle (?:dine )?(?:sager|papirer|journaler)\b",
        r"med videre\b",
        r"m\.\s?v\.|mv\.|m\.\s?m\.|mm\.|o\.\s?l\.|osv\b",
        r"og lignende\b",
        r"blandt andet\b",
    ),
    "en": _any(
        r"(?:all|any)(?: \w+){0,3} (?:information|data|records)\b",
        r"(?:relevant|necessary|other|general|various)(?: \w+)? information\b(?!\s*(?:about you\s*)?:)",
        r"everything (?:about you|we know|that is relevant)\b",
        r"(?:your|the) (?:whole|entire) (?:case|file|record)\b",
        r"among other things\b",
        r"and so on\b|and the like\b|etc\b",
    ),
}
RECIPIENTS = {
    "da": _any(
        r"alle (?:enheder|forvaltninger|myndigheder|medarbejdere|afdelinger|i kommunen|relevante)\b",
        r"hele (?:kommunen|forvaltningen)\b",
        r"(?:andre|relevante|øvrige|forskellige) (?:enheder|myndigheder|forvaltninger|parter|aktører|instanser)\b",
        r"samarbejdspartner(?:e|ne)?\b",
        r"tværs af (?:kommunen|forvaltninger)",
        r"hvem som helst\b|alle og enhver\b|dem, der har brug for\b",
    ),
    "en": _any(
        r"all (?:units|departments|authorities|employees|staff|administrations)\b",
        r"the (?:whole|entire) (?:municipality|city|administration)\b",
        r"(?:other|relevant|various) (?:units|authorities|departments|parties|administrations)\b",
        r"partners\b|anyone\b|anybody\b|everyone\b|everybody\b|those who need\b",
    ),
}
FORBIDDEN_PURPOSES = {
    "da": _any(r"kontrol", r"snyd", r"svindel", r"statistik", r"profiler", r"andet\b", r"andre formål\b"),
    "en": _any(r"control\b", r"fraud", r"statistic", r"profil(?:e|ing)", r"other purposes?\b", r"other\b"),
}
SANCTION = {
    "da": _any(r"sanktion", r"til rådighed\b", r"rådighed"),
    "en": _any(r"sanction", r"available for work\b", r"availability\b"),
}
CONSEQUENCE_LAW = {"da": re.compile(r"§ 11 b\b"), "en": re.compile(r"section 11 b\b")}
CONSEQUENCE_BENEFITS = {
    "da": _any(r"(?:ingen|ikke)\b[^.]*\b(?:ydelse|hjælp)"),
    "en": _any(r"(?:not|no)\b[^.]*\b(?:benefit|help)"),
}
SAID: dict[str, dict[str, tuple[Needed, ...]]] = {
    "da": {
        "who": (
            Needed(_any(r"fortælle", r"afgive", r"videregive"), "names who holds the information (R2)"),
            Needed(_any(r"få det at vide", r"modtage", r"høre det"), "names who is told (R2, GDPR art. 13(1)(e))"),
        ),
        "what": (Needed(_any(r"slags oplysning", r"oplysningstype", r"kryds"), "names the kinds of information (R2)"),),
        "why": (Needed(_any(r"bruge", r"formål"), "says what it is used for (R2, GDPR art. 13(1)(c))"),),
        "how_long": (
            Needed(re.compile(r"\d+ måned|dato", re.IGNORECASE), "says how long it holds (GDPR art. 13(2)(a))"),
        ),
        "withdraw": (
            Needed(_any(r"sige stop", r"tilbage(?:kalde|trække)", r"trække"), "says how to withdraw (GDPR art. 7(3))"),
            Needed(_any(r"når som helst", r"altid"), "says that it may be withdrawn at any time (GDPR art. 7(3))"),
            Needed(_any(r"klage\b[^.]*Datatilsynet"), "says where to complain (GDPR art. 13(2)(d))"),
            Needed(_any(r"underrett"), "says that the duty to notify about a child stays (R31)"),
        ),
    },
    "en": {
        "who": (
            Needed(_any(r"may tell", r"disclose", r"hold"), "names who holds the information (R2)"),
            Needed(_any(r"be told", r"receive"), "names who is told (R2, GDPR art. 13(1)(e))"),
        ),
        "what": (Needed(_any(r"kinds? of information", r"tick"), "names the kinds of information (R2)"),),
        "why": (Needed(_any(r"use it", r"used", r"purpose"), "says what it is used for (R2, GDPR art. 13(1)(c))"),),
        "how_long": (
            Needed(re.compile(r"\d+ months?|date", re.IGNORECASE), "says how long it holds (GDPR art. 13(2)(a))"),
        ),
        "withdraw": (
            Needed(_any(r"say stop", r"withdraw"), "says how to withdraw (GDPR art. 7(3))"),
            Needed(_any(r"at any time", r"always"), "says that it may be withdrawn at any time (GDPR art. 7(3))"),
            Needed(_any(r"complain\b[^.]*Data Protection Agency"), "says where to complain (GDPR art. 13(2)(d))"),
            Needed(_any(r"notify"), "says that the duty to notify about a child stays (R31)"),
        ),
    },
}
