"""A receipt in plain words, in Danish and in English (R42): what was done, by whom and how, and what one can do now.

It says nothing that the signed receipt does not say; labels are the catalogue's as they stood when it was issued.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.consent.catalogue.entries import Catalogue
from services.consent.model.bilingual import Bilingual, Language
from services.consent.model.document import Document, File, Section, spoken_date, spoken_time
from services.consent.model.plain_words import ASSURANCES, ENDS, EVENTS, METHODS, REASONS, ROLES, STATUSES, TERMS, Term
from services.consent.receipts.receipt import ReceiptWords

MEDIA_TYPE = "application/jose"


def told(content: Mapping[str, Any], *, jws: str, sha256: str, catalogue: Catalogue, language: Language) -> Document:
    """The receipt as a document. `content`: its payload; `jws`: itself, which lies in the document as a file.

    `sha256`: the fingerprint that the citizen's next receipt names.
    """
    at = datetime.fromisoformat(content["issued_at"])
    reader = _Reader(content, ReceiptWords(catalogue, at, language), language)
    event = EVENTS[content["event"]]
    name = reader.term(Term.RECEIPT)
    number = content["sequence"]
    return Document(
        language=language,
        title=f"{name} {number}: {event.title.get(language)}",
        lead=event.sentence.get(language),
        author=content.get("controller", {}).get("name", ""),
        at=at,
        sections=(
            Section(reader.term(Term.ABOUT), facts=tuple(reader.about())),
            Section(reader.term(Term.HOW), facts=tuple(reader.act())),
            Section(reader.term(Term.CHANGE), tuple(reader.change())),
            Section(reader.term(Term.RIGHTS), facts=tuple(reader.rights())),
            Section(reader.term(Term.PROOF), (reader.term(Term.PROOF_SENTENCE),), tuple(reader.proof(sha256))),
        ),
        files=(File(f"receipt-{number}.jws", MEDIA_TYPE, reader.term(Term.FILE), jws),),
    )


class _Reader:
    """Reads a payload field by field; what a kind of receipt does not have is left out."""

    def __init__(self, content: Mapping[str, Any], words: ReceiptWords, language: Language) -> None:
        self._content, self._words, self._language = content, words, language

    def term(self, term: Term) -> str:
        return TERMS[term].get(self._language)

    def about(self) -> list[tuple[str, str]]:
        content, words = self._content, self._words
        law = content.get("legal_basis")
        facts = [
            (Term.RECIPIENT, self._every("recipient", Term.EVERY_UNIT) or _label(content.get("recipient"), words.unit)),
            (Term.HOLDER, _label(content.get("holder"), words.unit)),
            (Term.WHAT, self._categories()),
            (Term.PURPOSE, self._every("purpose", Term.EVERY_PURPOSE) or _label(content.get("purpose"), words.purpose)),
            (Term.LAW, None if law is None else law["provision"] or law["code"]),
            *self._validity(),
            (Term.STATUS, self._one(STATUSES, content.get("status"))),
            (Term.REASON, self._one(REASONS, content["act"].get("reason"))),
        ]
        return [(self.term(term), value) for term, value in facts if value]

    def _every(self, field: str, term: Term) -> str | None:
        """A field that is there and names nothing is about everything."""
        return self.term(term) if field in self._content and self._content[field] is None else None

    def _categories(self) -> str:
        words, special = self._words, self.term(Term.SPECIAL)
        named = [
            (_label(item, lambda code: words.categories([code])[0]), item["special"])
            for item in self._content.get("categories", ())
        ]
        return "; ".join(f"{label} ({special})" if marked else str(label) for label, marked in named)

    def _validity(self) -> list[tuple[Term, str | None]]:
        validity = self._content.get("validity", {})
        until, rule = self._date(validity.get("until")), self._one(ENDS, validity.get("set_by"))
        return [
            (Term.FROM, self._date(validity.get("from"))),
            (Term.UNTIL, until if rule is None or until is None else f"{until} ({rule})"),
        ]

    def act(self) -> list[tuple[str, str]]:
        content, act = self._content, self._content["act"]
        unit, notice = act["attested_unit"], content.get("notice")
        method, assurance = self._one(METHODS, act["method"]), self._one(ASSURANCES, act["assurance"])
        facts = [
            (Term.WHEN, spoken_time(datetime.fromisoformat(act["at"]), self._language)),
            (Term.WHO, self._one(ROLES, act["role"])),
            (Term.METHOD, method if assurance is None else f"{method} ({assurance})"),
            (Term.UNIT, None if unit is None else _label({"code": unit}, self._words.unit)),
            (Term.AUTHORITY, act["authority_id"]),
            (Term.TEXT, None if notice is None else f"{notice['code']} {notice['version']}, {notice['language']}"),
            (Term.TEXT_HASH, None if notice is None else notice["sha256"]),
        ]
        return [(self.term(term), value) for term, value in facts if value]

    def change(self) -> list[str]:
        """What the citizen can do now, and where."""
        undo = self._content["withdrawal"]
        if "path" not in undo:
            return [self.term(Term.NOTHING_TO_UNDO)]
        sentences = [self.term(Term.UNDO_ONLINE), f"{self._content['issuer']}{undo['path']}"]
        if "contact" in undo:
            sentences.append(f"{self.term(Term.UNDO_OTHERWISE)} {undo['contact']}")
        return sentences

    def rights(self) -> list[tuple[str, str]]:
        content = self._content
        controller, storage = content.get("controller"), content.get("storage")
        facts = [
            (Term.CONTROLLER, None if controller is None else f"{controller['name']}, CVR {controller['cvr']}"),
            (Term.CONTACT, content["withdrawal"].get("contact")),
            (Term.COMPLAINT, content.get("supervisory_authority")),
            (Term.STORAGE, None if storage is None else f"{storage['place']}: {storage['retention']}"),
        ]
        return [(self.term(term), value) for term, value in facts if value]

    def proof(self, sha256: str) -> list[tuple[str, str]]:
        content = self._content
        previous = content["previous_receipt_sha256"] or self.term(Term.FIRST)
        facts = [
            (Term.NUMBER, str(content["sequence"])),
            (Term.RECEIPT_ID, content["receipt_id"]),
            (Term.SUBJECT, content["subject"]),
            (Term.ISSUER, content["issuer"]),
            (Term.FINGERPRINT, sha256),
            (Term.PREVIOUS, previous),
        ]
        return [(self.term(term), value) for term, value in facts]

    def _one(self, words: Mapping[str, Bilingual], code: str | None) -> str | None:
        if code is None:
            return None
        return words[code].get(self._language) if code in words else code

    def _date(self, moment: str | None) -> str | None:
        return None if moment is None else spoken_date(datetime.fromisoformat(moment), self._language)


def _label(named: Mapping[str, Any] | None, words: Any) -> str | None:
    """The catalogue's label for a code; what stands in the receipt when it knows none; the code itself at last."""
    if named is None:
        return None
    label = words(named["code"]).get("label") or named.get("label")
    return str(label or named["code"])
