"""Everything that is kept about a citizen, in plain words (R42): what stands in the PDF of an export."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue.labels import CatalogueLabels
from services.consent.model.bilingual import Bilingual, Language
from services.consent.model.document import Document, Section, spoken_date, spoken_time
from services.consent.model.plain_words import EVENTS, METHODS, REASONS, ROLES, STATUSES, TERMS, Term
from services.consent.overview.wording import KINDS_OF_USE, NOTICES

SHOWN_MAX = 500  # items of each list
TITLE = Bilingual("Det, vi har om dig", "What we have about you")
LEAD = Bilingual(
    "Her er alt, hvad du har sagt ja og nej til, og hver gang det er brugt.",
    "Here is all that you have said yes and no to, and every time it was used.",
)
MORE = Bilingual(
    "Her står kun de nyeste. Resten står i filen, som du kan hente i formatet JSON.",
    "Only the newest are here. The rest is in the file that you can fetch as JSON.",
)
NOTHING = Bilingual("Her er ikke noget.", "There is nothing here.")
WHERE = Bilingual(
    "Hvem der har slået noget op om dig, og hvorfor, står i loggen. Den kan du læse, når du er logget ind.",
    "Who has looked something up about you, and why, is in the log. You can read it when you are logged in.",
)
HEADINGS: Mapping[str, Bilingual] = {
    "consents": Bilingual("Samtykker", "Consents"),
    "uses": Bilingual("Hver gang noget er delt", "Every time something was shared"),
    "requests": Bilingual("Det, kommunen har spurgt om", "What the municipality has asked"),
    "refusals": Bilingual("Det, du har sagt nej til", "What you have said no to"),
    "restrictions": Bilingual("Brug, der er sat i bero", "Use that is on hold"),
    "other_bases": Bilingual("Det, der deles efter loven", "What is shared by law"),
    "representatives": Bilingual("Dem, der kan handle for dig", "Those who can act for you"),
    "notices": Bilingual("Det, du har fået besked om", "What you have been told"),
    "receipts": Bilingual("Dine kvitteringer", "Your receipts"),
    "texts": Bilingual("De tekster, du har fået vist", "The texts that you were shown"),
    "log": Bilingual("Loggen", "The log"),
}
AUTHORITIES: Mapping[str, Bilingual] = {
    "vaerge": Bilingual("Værge", "Guardian"),
    "fuldmagt": Bilingual("Fuldmagt", "Power of attorney"),
    "fremtidsfuldmagt": Bilingual("Fremtidsfuldmagt", "Lasting power of attorney"),
}
COLUMNS: Mapping[str, tuple[Bilingual, ...]] = {
    "uses": (
        TERMS[Term.WHEN],
        TERMS[Term.RECIPIENT],
        TERMS[Term.WHAT],
        TERMS[Term.METHOD],
        Bilingual("Antal", "Times"),
    ),
    "requests": (TERMS[Term.WHEN], TERMS[Term.WHO], TERMS[Term.PURPOSE]),
    "refusals": (TERMS[Term.FROM], TERMS[Term.UNTIL], TERMS[Term.RECIPIENT], TERMS[Term.PURPOSE]),
    "restrictions": (TERMS[Term.FROM], TERMS[Term.UNTIL]),
    "other_bases": (TERMS[Term.FROM], TERMS[Term.UNTIL], TERMS[Term.RECIPIENT], TERMS[Term.WHAT], TERMS[Term.LAW]),
    "representatives": (TERMS[Term.WHO], TERMS[Term.FROM], TERMS[Term.UNTIL]),
    "notices": (TERMS[Term.WHEN], TERMS[Term.WHAT]),
    "receipts": (TERMS[Term.NUMBER], TERMS[Term.WHEN], TERMS[Term.WHAT]),
}
Item = Mapping[str, Any]


def told(
    head: Item, lists: Mapping[str, Sequence[Item]], *, catalogue: Catalogue, at: datetime, language: Language
) -> Document:
    """The export as a document. `head` and `lists`: as in its JSON form; of a list at most SHOWN_MAX are told."""
    teller = _Teller(CatalogueLabels(catalogue, at, language), language)
    municipality = head["municipality"]
    sections = [*teller.consents(lists["consents"])]
    sections += [teller.table(name, lists[name]) for name in COLUMNS]
    sections += [*teller.texts(lists["texts"])]
    sections.append(Section(HEADINGS["log"].get(language), (WHERE.get(language),)))
    if municipality is not None:
        sections.append(teller.rights(municipality))
    return Document(
        language=language,
        title=TITLE.get(language),
        lead=f"{LEAD.get(language)} {spoken_time(at, language)}.",
        author="" if municipality is None else municipality["controller"],
        at=at,
        sections=tuple(sections),
    )


@dataclass(frozen=True, slots=True)
class _Teller:
    labels: CatalogueLabels
    language: Language

    def consents(self, items: Sequence[Item]) -> list[Section]:
        heading = HEADINGS["consents"].get(self.language)
        each = [self._consent(number, item) for number, item in enumerate(items[:SHOWN_MAX], start=1)]
        return [Section(heading, self._about(items)), *each]

    def _consent(self, number: int, item: Item) -> Section:
        labels = self.labels
        reason = item["closed_reason"]
        facts = [
            (Term.RECIPIENT, labels.unit(item["recipient_unit"])),
            (Term.HOLDER, labels.unit(item["holder_unit"])),
            (Term.WHAT, self._categories(item["categories"])),
            (Term.PURPOSE, labels.purpose(item["purpose"])),
            (Term.LAW, labels.law(item["legal_basis"])),
            (Term.FROM, self._date(item["valid_from"])),
            (Term.UNTIL, self._date(item["valid_until"])),
            (Term.STATUS, self._one(STATUSES, item["status"])),
            (Term.REASON, self._one(REASONS, reason) if reason else ""),
        ]
        given = [(self._term(Term.HOW), self._how(declared)) for declared in item["declarations"]]
        named = [(self._term(term), value) for term, value in facts if value]
        return Section(f"{number}. {labels.unit(item['recipient_unit'])}", facts=(*named, *given), level=2)

    def _how(self, declared: Item) -> str:
        parts = [self._one(ROLES, declared["role"]), self._one(METHODS, declared["method"])]
        if declared["attested_unit"]:
            parts.append(self.labels.unit(declared["attested_unit"]))
        return ", ".join([*parts, self._time(declared["at"])])

    def table(self, name: str, items: Sequence[Item]) -> Section:
        """One list as a table; a sentence where there is nothing."""
        heading = HEADINGS[name].get(self.language)
        if not items:
            return Section(heading, (NOTHING.get(self.language),))
        row: Callable[[Item], tuple[str, ...]] = getattr(self, f"_{name}")
        columns = tuple(column.get(self.language) for column in COLUMNS[name])
        return Section(
            heading, self._about(items), columns=columns, rows=tuple(row(item) for item in items[:SHOWN_MAX])
        )

    def _uses(self, item: Item) -> tuple[str, ...]:
        return (
            self._time(item["last_at"]),
            self.labels.unit(item["recipient_unit"]),
            self._categories(item["categories"]),
            self._one(KINDS_OF_USE, item["kind"]),
            str(item["count"]),
        )

    def _requests(self, item: Item) -> tuple[str, ...]:
        unit, purpose = item["asked_by"]["code"], item["purpose"]["code"]
        return self._date(item["requested_at"]), self.labels.unit(unit), self.labels.purpose(purpose)

    def _refusals(self, item: Item) -> tuple[str, ...]:
        unit, purpose = item["recipient_unit"], item["purpose"]
        return (
            self._date(item["recorded_at"]),
            self._date(item["lifted_at"]),
            self._term(Term.EVERY_UNIT) if unit is None else self.labels.unit(unit),
            self._term(Term.EVERY_PURPOSE) if purpose is None else self.labels.purpose(purpose),
        )

    def _restrictions(self, item: Item) -> tuple[str, ...]:
        return self._date(item["recorded_at"]), self._date(item["lifted_at"])

    def _other_bases(self, item: Item) -> tuple[str, ...]:
        return (
            self._date(item["valid_from"]),
            self._date(item["valid_until"]),
            self.labels.unit(_code(item["recipient_unit"])),
            self.labels.category(_code(item["category"])),
            self.labels.law(_code(item["legal_basis"])),
        )

    def _representatives(self, item: Item) -> tuple[str, ...]:
        return self._one(AUTHORITIES, item["kind"]), item["valid_from"], item["valid_to"] or ""

    def _notices(self, item: Item) -> tuple[str, ...]:
        return self._time(item["at"]), self._one(NOTICES, item["kind"])

    def _receipts(self, item: Item) -> tuple[str, ...]:
        event = EVENTS.get(item["event"])
        title = item["event"] if event is None else event.title.get(self.language)
        return str(item["sequence"]), self._time(item["issued_at"]), title

    def texts(self, items: Sequence[Item]) -> list[Section]:
        """The words as they were shown, with what proves them."""
        heading = Section(HEADINGS["texts"].get(self.language), self._about(items))
        each = [
            Section(
                f"{item['code']} {item['version']} ({item['language']})",
                tuple((item["words"] or "").split("\n\n")),
                ((self._term(Term.TEXT_HASH), item["sha256"]),),
                level=2,
                language=item["language"],
            )
            for item in items[:SHOWN_MAX]
        ]
        return [heading, *each]

    def rights(self, municipality: Item) -> Section:
        """Whom to write to, and where to complain."""
        facts = (
            (Term.CONTROLLER, f"{municipality['controller']}, CVR {municipality['cvr']}"),
            (Term.CONTACT, municipality["contact"]),
            (Term.COMPLAINT, municipality["supervisory_authority"]),
        )
        return Section(self._term(Term.RIGHTS), facts=tuple((self._term(term), value) for term, value in facts))

    def _about(self, items: Sequence[Item]) -> tuple[str, ...]:
        if not items:
            return (NOTHING.get(self.language),)
        return (MORE.get(self.language),) if len(items) > SHOWN_MAX else ()

    def _categories(self, codes: Sequence[str]) -> str:
        return "; ".join(self.labels.category(code) for code in codes)

    def _one(self, words: Mapping[str, Bilingual], code: str) -> str:
        return words[code].get(self.language) if code in words else code

    def _term(self, term: Term) -> str:
        return TERMS[term].get(self.language)

    def _date(self, moment: str | None) -> str:
        return "" if moment is None else spoken_date(datetime.fromisoformat(moment), self.language)

    def _time(self, moment: str) -> str:
        return spoken_time(datetime.fromisoformat(moment), self.language)


def _code(value: Any) -> str:
    """A code, also where it came with its words."""
    return str(value["code"]) if isinstance(value, Mapping) else str(value)
