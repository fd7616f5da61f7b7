"""The catalogue: purposes, categories, units, legal bases, texts, event types and policy, each versioned with validity.

1. Law, organisation and wording move, so all of it is reference data with validity, never code (R35).
2. A version once published never changes; the next one gets the next number. A consent pins the versions it used.
3. Everything is looked up *at a moment*: what has ended answers no (R36).
4. Files that contradict each other are refused when loaded (`catalogue_checks`), so nothing here guesses.

Validity is [valid_from, valid_to) in Danish calendar dates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeVar

from services.consent.catalogue.day import Day
from services.consent.model.bilingual import Bilingual
from services.consent.model.calendar import danish_date

if TYPE_CHECKING:
    from services.consent.catalogue.source import Source


class Sensitivity(StrEnum):
    """The four ordered levels of the national case index (R15)."""

    OPEN = "IKKE_FORTROLIGE_DATA"
    CONFIDENTIAL = "FORTROLIGE_PERSONOPLYSNINGER"
    SENSITIVE = "FOELSOMME_PERSONOPLYSNINGER"
    RESTRICTED = "VIP_SAGER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What every entry has. `source`: a line of docs/municipality.md's documents, or a rule of docs/rules.md."""

    code: str
    version: int
    valid_from: date
    valid_to: date | None
    label: Bilingual
    source: str

    def valid_on(self, day: date) -> bool:
        """Whether the entry is in force on a Danish calendar day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

    @property
    def withdrawn(self) -> bool:
        """Whether it ended before it began: taken back, and never in force."""
        return self.valid_from == self.valid_to

    def meets(self, other: "Entry") -> bool:
        """Whether there is a day on which both are in force."""
        begins = max(self.valid_from, other.valid_from)
        return self.valid_on(begins) and other.valid_on(begins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit(Entry):
    """An organisational unit: a holder or a recipient. Sub-units are not included (R2)."""

    administration: Literal["BIF", "SOF", "FAELLES"]
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMapping(Entry):
    """A recorded decision: what names the closed unit `code` counts for `to_unit` (R36). `source`: its reference."""

    to_unit: str
    decided_on: date
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Category(Entry):
    """A type of information. `special`: GDPR article 9 or 10, which needs its own affirmative act (R4)."""

    sensitivity: Sensitivity
    special: Literal["art9", "art10"] | None
    selectable: bool
    holders: tuple[Literal["BIF", "SOF"], ...]
    subject: Literal["citizen", "child"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis(Entry):
    """Why a disclosure is lawful. `consequence` says what a no means (R6); `emergency`: it is for averting a danger.

    `ceiling_months`: the longest a consent on this basis may hold; shorter than the citizen's choice, it wins (P6).
    """

    provision: str
    needs_consent: bool
    ceiling_months: int | None
    consequence: Bilingual | None
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A direction in which a purpose is offered: from one holder unit to one recipient unit."""

    holder: str
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose(Entry):
    """What consent may be asked for. `standalone`: decided one category at a time, never bundled (R33).

    `family`: it concerns a child and a parent, who each have their own consent (R12).
    """

    legal_basis: str
    text: str
    categories: tuple[str, ...]
    between: tuple[Offer, ...]
    standalone: bool
    family: bool


@dataclass(frozen=True, slots=True)
class Sections:
    """A consent text in short sentences, in the order it is shown."""

    who: str
    what: str
    why: str
    how_long: str
    withdraw: str


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 in lower-case hexadecimal of the UTF-8 text in each language."""

    da: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Entry):
    """The words shown to the citizen, under a legal basis whose consequence text is part of them (R6, R10)."""

    legal_basis: str
    da: Sections
    en: Sections
    sha256: Digests


@dataclass(frozen=True, slots=True)
class Reveal:
    """What an event tells about whom: the person it is about, or in the family rules a child or a parent."""

    role: Literal["citizen", "child", "parent"]
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType(Entry):
    """A case event. `lifecycle`: consent and the case registry listen to it; it is never itself disclosed."""

    direction: Literal["SOF->BIF", "BIF->SOF", "both", "system"]
    category: str | None
    kle: str | None
    purposes: tuple[str, ...]
    reveals: tuple[Reveal, ...]
    lifecycle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Entry):
    """The municipality's own limits, none of them law: ages in years (R11), validity in months (R9).

    And what every receipt must say of it: who the controller is, whom to write to, where and how long it is kept.
    """

    involved_age: int
    own_declaration_age: int
    adult_age: int
    custody_holders_join_for_special: bool
    consent_months_default: int
    consent_months_max: int
    decline_cool_down_days: int
    expiry_notice_days: int
    emergency_hours_max: int  # how long an emergency disclosure may go on (`other_basis`)
    controller: str
    controller_cvr: str
    contact: str
    supervisory_authority: str
    storage_place: str
    retention_rule: str


EntryT = TypeVar("EntryT", bound=Entry)
Versions = Mapping[str, tuple[EntryT, ...]]
POLICY = "SAMTYKKE"
DAYS_MAX = 8  # days of one catalogue that are kept; one is in use, another at midnight


def index(entries: Iterable[EntryT]) -> dict[str, tuple[EntryT, ...]]:
    """Entries by code, versions ascending."""
    by_code: dict[str, tuple[EntryT, ...]] = {}
    for entry in sorted(entries, key=lambda item: (item.code, item.version)):
        by_code[entry.code] = (*by_code.get(entry.code, ()), entry)
    return by_code


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All reference data. `revision` is derived from the content: the same number means the same catalogue.

    `turns`: the days on which anything that a decision reads begins or ends, ascending. `day`: answer as on that day.
    """

    revision: int
    units: Versions[Unit] = field(default_factory=dict)
    purposes: Versions[Purpose] = field(default_factory=dict)
    categories: Versions[Category] = field(default_factory=dict)
    legal_bases: Versions[LegalBasis] = field(default_factory=dict)
    texts: Versions[Text] = field(default_factory=dict)
    event_types: Versions[EventType] = field(default_factory=dict)
    policies: Versions[Policy] = field(default_factory=dict)
    unit_mappings: Versions[UnitMapping] = field(default_factory=dict)
    sources: "Versions[Source]" = field(default_factory=dict)
    turns: tuple[date, ...] = ()
    day: date | None = None
    _days: dict[date, Day] = field(default_factory=dict, init=False, compare=False, repr=False)

    def on(self, at: datetime) -> Day:
        """The catalogue on the Danish day of a moment; made once a day, since it is asked for with every decision."""
        return self._days.get(day := self.day or danish_date(at)) or self._on(day)

    def _on(self, day: date) -> Day:
        if day not in self._days:
            if len(self._days) >= DAYS_MAX:
                self._days.clear()
            self._days[day] = Day(self, day)
        return self._days[day]

    def as_of(self, day: date) -> "Catalogue":
        """The catalogue as it was on a day, whatever moment it is asked about."""
        made = replace(self, day=day)
        made._days[day] = self._on(day)  # noqa: SLF001 - the same content on the same day
        return made

    def unit(self, code: str, at: datetime) -> Unit | None:
        """The unit in force at a moment, or None when it is unknown or closed."""
        return self.on(at).units.get(code)

    def purpose(self, code: str, at: datetime) -> Purpose | None:
        """The purpose in force at a moment."""
        return self.on(at).purposes.get(code)

    def category(self, code: str, at: datetime) -> Category | None:
        """The category in force at a moment."""
        return self.on(at).categories.get(code)

    def legal_basis(self, code: str, at: datetime) -> LegalBasis | None:
        """The legal basis in force at a moment."""
        return self.on(at).legal_bases.get(code)

    def text(self, code: str, at: datetime) -> Text | None:
        """The text in force at a moment."""
        return self.on(at).texts.get(code)

    def event_type(self, code: str, at: datetime) -> EventType | None:
        """The event type in force at a moment."""
        return self.on(at).event_types.get(code)

    def counts_as(self, unit: str, at: datetime) -> str | None:
        """The unit that what names `unit` counts for: itself while in force, else the one it is mapped to (R36)."""
        if self.unit(unit, at) is not None:
            return unit
        return mapping.to_unit if (mapping := self.on(at).unit_mappings.get(unit)) else None

    def stands_for(self, named: str, asked: str, at: datetime) -> bool:
        """Whether what names `named` is about `asked`, a unit in force. The one place where a mapping counts."""
        return named == asked or (bool(self.unit_mappings) and self.counts_as(named, at) == asked)

    def policy(self, at: datetime) -> Policy | None:
        """The municipality's policy in force at a moment."""
        return self.on(at).policies.get(POLICY)
