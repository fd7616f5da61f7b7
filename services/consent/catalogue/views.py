"""The catalogue in force at a moment, in its public shape."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from services.consent.catalogue.entries import Catalogue, Entry, Text
from services.consent.catalogue.labels import body
from services.consent.catalogue.readability import lix
from services.consent.catalogue.schemas import (
    CatalogueView,
    CategoryView,
    EntryView,
    EventTypeView,
    LegalBasisView,
    PurposeView,
    ShownText,
    TextView,
    UnitMappingView,
    UnitView,
)
from services.consent.model.bilingual import LANGUAGES, Bilingual
from services.consent.model.calendar import danish_date

ViewT = TypeVar("ViewT", bound=EntryView)


def view(catalogue: Catalogue, now: datetime) -> CatalogueView:
    """Everything in force at `now`, each kind sorted by code."""
    return CatalogueView(
        revision=str(catalogue.revision),
        units=_views(UnitView, catalogue.units, now),
        categories=_views(CategoryView, catalogue.categories, now),
        legal_bases=_views(LegalBasisView, catalogue.legal_bases, now),
        purposes=_views(PurposeView, catalogue.purposes, now),
        texts=_texts(catalogue, now),
        event_types=_views(EventTypeView, catalogue.event_types, now),
        unit_mappings=_views(UnitMappingView, catalogue.unit_mappings, now),
    )


def text_in_force(catalogue: Catalogue, code: str, now: datetime) -> TextView | None:
    """The words of one text with their hashes, as they are to be shown; None when it is not in force."""
    text = catalogue.text(code, now)
    law = None if text is None else catalogue.legal_basis(text.legal_basis, now)
    if text is None or law is None or law.consequence is None:
        return None
    return _text(text, law.consequence)


def _in_force(versions: Mapping[str, tuple[Entry, ...]], now: datetime) -> list[Entry]:
    today = danish_date(now)
    return [entry for _, entries in sorted(versions.items()) for entry in entries if entry.valid_on(today)]


def _views(shape: type[ViewT], versions: Mapping[str, tuple[Entry, ...]], now: datetime) -> tuple[ViewT, ...]:
    return tuple(shape.model_validate(entry) for entry in _in_force(versions, now))


def _texts(catalogue: Catalogue, now: datetime) -> tuple[TextView, ...]:
    views = []
    for text in _in_force(catalogue.texts, now):
        assert isinstance(text, Text)
        law = catalogue.legal_basis(text.legal_basis, now)
        if law is not None and law.consequence is not None:
            views.append(_text(text, law.consequence))
    return tuple(views)


def _text(text: Text, consequence: Bilingual) -> TextView:
    hashes = {"da": text.sha256.da, "en": text.sha256.en}
    words = {language: body(text, consequence, language) for language in LANGUAGES}
    shown = {language: ShownText(body=told, sha256=hashes[language], lix=lix(told)) for language, told in words.items()}
    return TextView.of(text, languages=shown)
