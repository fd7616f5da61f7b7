"""The catalogue as everybody reads it: what is in force now, with the exact texts and their hashes."""

from datetime import date
from typing import Literal

from services.consent.http.shapes import Answer, Digest

Language = Literal["da", "en"]


class Words(Answer):
    """The same in both languages."""

    da: str
    en: str


class EntryView(Answer):
    """What every entry has."""

    code: str
    version: int
    label: Words


class UnitView(EntryView):
    """A holder or a recipient."""

    administration: Literal["BIF", "SOF", "FAELLES"]
    contact: str


class CategoryView(EntryView):
    """A kind of information. `special`: needs `affirmed_special`."""

    sensitivity: str
    special: Literal["art9", "art10"] | None
    selectable: bool
    holders: tuple[str, ...]
    subject: Literal["citizen", "child"]


class LegalBasisView(EntryView):
    """`consequence`: what a no means; it is the last paragraph of every text under this basis."""

    provision: str
    needs_consent: bool
    ceiling_months: int | None
    consequence: Words | None


class OfferView(Answer):
    """One direction."""

    holder: str
    recipient: str


class PurposeView(EntryView):
    """`standalone`: show it alone, never beside others. `family`: child and parent each need their own."""

    legal_basis: str
    text: str
    categories: tuple[str, ...]
    between: tuple[OfferView, ...]
    standalone: bool
    family: bool


class ShownText(Answer):
    """Show `body` as it is; send `sha256` with the grant. `lix`: its readability index, in Danish at most 35 (R42)."""

    body: str
    sha256: Digest
    lix: float


class TextView(EntryView):
    """A consent text in both languages."""

    legal_basis: str
    languages: dict[Language, ShownText]


class RevealView(Answer):
    """What an event tells about whom."""

    role: Literal["citizen", "child", "parent"]
    category: str


class EventTypeView(EntryView):
    """A case event."""

    direction: str
    category: str | None
    kle: str | None
    purposes: tuple[str, ...]
    reveals: tuple[RevealView, ...]
    lifecycle: bool


class UnitMappingView(EntryView):
    """A decision that what names the closed unit `code` counts for `to_unit` (R36); `label` is for the citizen."""

    to_unit: str
    decided_on: date


class CatalogueView(Answer):
    """Everything in force now. `revision` changes exactly when the content does."""

    revision: str
    units: tuple[UnitView, ...]
    categories: tuple[CategoryView, ...]
    legal_bases: tuple[LegalBasisView, ...]
    purposes: tuple[PurposeView, ...]
    texts: tuple[TextView, ...]
    event_types: tuple[EventTypeView, ...]
    unit_mappings: tuple[UnitMappingView, ...]
