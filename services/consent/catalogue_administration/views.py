"""Reference data as an administrator sees it, and what they send as it is stored."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import orjson

from services.consent.catalogue.entries import Catalogue, Entry, LegalBasis, Text
from services.consent.catalogue.form import RawEntry
from services.consent.catalogue.labels import body, digest
from services.consent.catalogue.readability import lix
from services.consent.catalogue_administration.changes import CatalogueState
from services.consent.catalogue_administration.schemas import AdminEntryView, ReadabilityView, Version, VersionView
from services.consent.model.bilingual import LANGUAGES

NO_DIGESTS = {"da": "", "en": ""}


def content_of(sent: Version, kind: str, catalogue: Catalogue) -> dict[str, Any]:
    """The body of a version as it is stored, without code and number; a text with the hashes of its words (R10)."""
    stored: dict[str, Any] = sent.model_dump(mode="json", exclude={"kind"})
    if kind == "texts":
        stored["sha256"] = _digests(stored, catalogue)
    return stored


def entry_view(state: CatalogueState, kind: str, code: str) -> AdminEntryView:
    """All versions of an entry; none when there is no such entry."""
    pairs = zip(state.rows(kind, code), state.versions(kind, code), strict=True)
    return AdminEntryView.model_validate(
        {"kind": kind, "code": code, "versions": [_version(row, entry, state) for row, entry in pairs]}
    )


def codes(state: CatalogueState, kind: str) -> list[str]:
    """Every code of a kind, sorted."""
    return sorted({row.body["code"] for row in state.raw if row.kind == kind})


def readability(entry: Entry, catalogue: Catalogue) -> tuple[ReadabilityView, ...]:
    """LIX of everything in an entry that a citizen reads."""
    return tuple(ReadabilityView(field=field, lix=lix(words)) for field, words in _citizen_words(entry, catalogue))


def _citizen_words(entry: Entry, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for language in LANGUAGES:
        yield f"label.{language}", entry.label.get(language)
        if isinstance(entry, LegalBasis) and entry.consequence is not None:
            yield f"consequence.{language}", entry.consequence.get(language)
        if isinstance(entry, Text):
            for law in catalogue.legal_bases.get(entry.legal_basis, ())[-1:]:
                if law.consequence is not None:
                    yield language, body(entry, law.consequence, language)


def _digests(stored: dict[str, Any], catalogue: Catalogue) -> dict[str, str]:
    for law in catalogue.legal_bases.get(stored["legal_basis"], ())[-1:]:
        if law.consequence is not None:
            made = {language: _words(stored[language], law.consequence.get(language)) for language in LANGUAGES}
            return {language: digest(words) for language, words in made.items()}
    return NO_DIGESTS  # the checks name what is wrong with the legal basis


def _words(sections: dict[str, str], consequence: str) -> str:
    parts = (*(sections[name] for name in ("who", "what", "why", "how_long", "withdraw")), consequence)
    return "\n\n".join(part.strip() for part in parts)


def _version(row: RawEntry, entry: Entry, state: CatalogueState) -> VersionView:
    taken = {"code", "version", "valid_from", "valid_to", "label"}
    return VersionView.of(
        entry,
        status=_status(entry, state.today),
        origin=row.origin,
        content=_sorted({name: value for name, value in row.body.items() if name not in taken}),
        readability=readability(entry, state.catalogue),
    )


def _sorted(content: dict[str, Any]) -> Any:
    """In one order, whether it comes from the database or from the caller: the tag of an entry is made of it."""
    return orjson.loads(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


def _status(entry: Entry, today: date) -> str:
    if entry.withdrawn:
        return "taken_back"
    if entry.valid_from > today:
        return "future"
    return "in_force" if entry.valid_on(today) else "ended"
