"""What an administrator sends and gets. No person is named anywhere here (R40); words are what citizens will read."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from libs.common.wire.identifiers import RECORDED, EventSource, Identity, Words
from libs.common.wire.messages import Code
from libs.common.wire.sources import TypePattern, UnitPattern
from libs.common.wire.values import Day, EndDay, Flag, Whole
from services.consent.catalogue.entries import Sensitivity
from services.consent.catalogue.schemas import Words as WordsView
from services.consent.http.pages import PageOf
from services.consent.http.shapes import Answer, Request

Kind = Literal[
    "units", "categories", "legal_bases", "purposes", "texts", "event_types", "policies", "unit_mappings", "sources"
]
Label = Annotated[str, Field(min_length=1, max_length=200), Words()]
Paragraph = Annotated[str, Field(min_length=1, max_length=2_000), Words(lines=True)]
Source = Annotated[str, Field(min_length=3, max_length=100, description="where it is decided or described"), Words()]
EntryCode = Annotated[str, Field(pattern=r"^[A-Za-zÆØÅ0-9_.-]+$", max_length=80), RECORDED]
Kle = Annotated[str, Field(pattern=r"^[0-9]{2}\.[0-9]{2}\.[0-9]{2}$")]
Months = Annotated[Whole, Field(ge=1, le=120)]
Age = Annotated[Whole, Field(ge=1, le=30)]
Days = Annotated[Whole, Field(ge=0, le=3_650)]


class Labels(Request):
    """The same in both languages."""

    da: Label
    en: Label


class Version(Request):
    """What every new version says. It is in force on [`valid_from`, `valid_to`), in Danish days."""

    valid_from: Day
    valid_to: EndDay | None = None
    label: Labels
    source: Source


class UnitVersion(Version):
    """A unit."""

    kind: Literal["units"]
    administration: Literal["BIF", "SOF", "FAELLES"]
    contact: Annotated[str, Field(min_length=3, max_length=200), Words()]


class CategoryVersion(Version):
    """A kind of information."""

    kind: Literal["categories"]
    sensitivity: Sensitivity
    special: Literal["art9", "art10"] | None
    selectable: Flag
    holders: tuple[Literal["BIF", "SOF"], ...] = Field(min_length=1, max_length=2)
    subject: Literal["citizen", "child"]


class LegalBasisVersion(Version):
    """A legal basis. The words of a `consequence` are part of every text under it: new words are a new basis."""

    kind: Literal["legal_bases"]
    provision: Label
    needs_consent: Flag
    ceiling_months: Months | None
    consequence: Labels | None
    emergency: Flag = False


class OfferBody(Request):
    """One direction."""

    holder: Code
    recipient: Code


class PurposeVersion(Version):
    """A purpose."""

    kind: Literal["purposes"]
    legal_basis: Code
    text: Code
    categories: tuple[Code, ...] = Field(min_length=1, max_length=50)
    between: tuple[OfferBody, ...] = Field(min_length=1, max_length=1_000)
    standalone: Flag
    family: Flag


class SectionsBody(Request):
    """A text in the order in which it is shown. What a no means follows from the legal basis (R6)."""

    who: Paragraph
    what: Paragraph
    why: Paragraph
    how_long: Paragraph
    withdraw: Paragraph


class TextVersion(Version):
    """A consent text. Its hashes are made here."""

    kind: Literal["texts"]
    legal_basis: Code
    da: SectionsBody
    en: SectionsBody


class RevealBody(Request):
    """What an event tells about whom."""

    role: Literal["citizen", "child", "parent"]
    category: Code


class EventTypeVersion(Version):
    """A case event."""

    kind: Literal["event_types"]
    direction: Literal["SOF->BIF", "BIF->SOF", "both", "system"]
    category: Code | None
    kle: Kle | None
    purposes: tuple[Code, ...] = Field(max_length=50)
    reveals: tuple[RevealBody, ...] = Field(max_length=10)
    lifecycle: Flag


class PolicyVersion(Version):
    """The municipality's own limits: ages in years, periods as their names say."""

    kind: Literal["policies"]
    involved_age: Age
    own_declaration_age: Age
    adult_age: Age
    custody_holders_join_for_special: Flag
    consent_months_default: Months
    consent_months_max: Months
    decline_cool_down_days: Days
    expiry_notice_days: Days
    emergency_hours_max: Annotated[Whole, Field(ge=1, le=8_760)]
    controller: Label
    controller_cvr: Annotated[str, Field(pattern=r"^[0-9]{8}$")]
    contact: Label
    supervisory_authority: Label
    storage_place: Label
    retention_rule: Label


class UnitMappingVersion(Version):
    """A decision that what names the closed unit counts for `to_unit` (R36). `source`: the decision's reference."""

    kind: Literal["unit_mappings"]
    to_unit: Code
    decided_on: Day
    decided_by: Code


class SourceVersion(Version):
    """What a source system may report: patterns are a code, or its beginning and `*` (docs/sources.md)."""

    kind: Literal["sources"]
    client_id: Identity
    event_sources: tuple[EventSource, ...] = Field(min_length=1, max_length=20)
    event_types: tuple[TypePattern, ...] = Field(min_length=1, max_length=100)
    units: tuple[UnitPattern, ...] = Field(min_length=1, max_length=200)
    civil_registration: Flag


NewVersion = Annotated[
    UnitVersion
    | CategoryVersion
    | LegalBasisVersion
    | PurposeVersion
    | TextVersion
    | EventTypeVersion
    | PolicyVersion
    | UnitMappingVersion
    | SourceVersion,
    Field(discriminator="kind"),
]


class Ending(Request):
    """The first day on which it is not in force any more; null lifts an end that has not come."""

    valid_to: EndDay | None


class LintRequest(Request):
    """A version that somebody thinks of adding to `code`; nothing is written."""

    code: EntryCode
    version: NewVersion


class FindingView(Answer):
    """One reason to refuse it: the rule's name, the field, and what must change."""

    rule: str
    field: str
    reason: str


class ReadabilityView(Answer):
    """LIX of what a citizen reads there; `field` as in the version. At most `lix_max` in Danish (R42)."""

    field: str
    lix: float


class LintView(Answer):
    """Empty `findings`: it would be accepted."""

    findings: tuple[FindingView, ...]
    readability: tuple[ReadabilityView, ...]
    lix_max: float


class VersionView(Answer):
    """One version. `content`: what it says, as it was sent; `origin`: `file`, or `api` when it was made here."""

    version: int
    status: Literal["future", "in_force", "ended", "taken_back"]
    valid_from: date
    valid_to: date | None
    origin: Literal["file", "api"]
    label: WordsView
    content: dict[str, Any]
    readability: tuple[ReadabilityView, ...]


class AdminEntryView(Answer):
    """An entry with its versions, oldest first."""

    kind: Kind
    code: str
    versions: tuple[VersionView, ...]


class AdminPage(PageOf[AdminEntryView]):
    """Entries by code. `next`: the cursor of the next page, null at the end."""
