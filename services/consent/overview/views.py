"""From what was found to the citizen's overview: words beside every code, and what can be done now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.consent.catalogue.labels import CatalogueLabels
from services.consent.citizens.acting import Acting
from services.consent.consents.consent import Consent, Declaration
from services.consent.consents.ending import as_of
from services.consent.decision.decide import DisclosureDecision, decide
from services.consent.decision.snapshot import OtherBasis, Question, Refusal
from services.consent.grants.receipt import end_rule
from services.consent.grants.views import declaration_view
from services.consent.model.acting import Role
from services.consent.model.bilingual import Bilingual, Language
from services.consent.model.document import spoken_date
from services.consent.model.plain_words import ENDS, EVENTS, METHODS, ROLES, STATUSES
from services.consent.overview import schemas as overview_schemas
from services.consent.overview.read import OverviewRecords
from services.consent.overview.store import Uses
from services.consent.overview.wording import (
    CONSENT,
    EVERYONE,
    EVERYTHING,
    KINDS_OF_USE,
    NOT_NOW,
    NOTHING_NOW,
    NOTICES,
    REFUSAL,
)
from services.consent.receipts.receipt import ReceiptWords
from services.consent.representation.schemas import authority_view


def overview_view(found: OverviewRecords, by: Acting, language: Language) -> overview_schemas.Overview:
    """As `by` may see it: a representative only what their authority is about."""
    return _View(found, by, CatalogueLabels(found.snapshot.catalogue, found.now, language)).whole()


@dataclass(frozen=True, slots=True)
class _View:
    found: OverviewRecords
    by: Acting
    labels: CatalogueLabels

    def whole(self) -> overview_schemas.Overview:
        found, by = self.found, self.by
        own = by.giver.role is Role.SELF
        return overview_schemas.Overview(
            borger_id=by.borger_id,
            language=self.labels.language,
            as_of=found.now,
            consents=tuple(self._consent(item) for item in found.consents if self._shows(item)),
            requests=tuple(self._requests()),
            refusals=tuple(self._refusals()),
            restrictions=tuple(self._restrictions()),
            other_bases=tuple(self._other_bases()),
            representatives=tuple(
                authority_view(item, found.now)
                for item in found.authorities
                if own or item.representative == by.giver.borger_id
            ),
            notices=tuple(self._notices()) if by.purposes is None else (),
            municipality=self._municipality(),
            links=tuple(self._links()),
        )

    def _shows(self, consent: Consent) -> bool:
        """What has run out by the clock has ended, and what waits for an answer stands among the requests."""
        shown_as = as_of(consent, self.labels.catalogue, self.found.now).status_at(self.found.now)
        return self.by.covers(consent.purpose) and shown_as in {"active", "pending_signature"}

    def _consent(self, stored: Consent) -> overview_schemas.OverviewConsent:
        now, labels = self.found.now, self.labels
        consent = as_of(stored, labels.catalogue, now)
        decisions = {code: self._decided(consent, code) for code in sorted(consent.categories)}
        rule = end_rule(consent, ReceiptWords(labels.catalogue, now))
        path = f"consents/{consent.consent_id}"
        return overview_schemas.OverviewConsent.of(
            consent,
            sentence=self._sentence(consent),
            status=consent.status_at(now),
            status_label=self._words(STATUSES[str(consent.status_at(now))]),
            not_now=self._not_now(decisions.values()),
            recipient=self._unit(consent.recipient_unit),
            holder=self._unit(consent.holder_unit),
            purpose=self._purpose(consent.purpose),
            categories=tuple(self._category(code, answer) for code, answer in decisions.items()),
            law=self._law(consent.legal_basis),
            valid_until=consent.ends_at,
            ends_by=_labelled(rule, self._words(ENDS[rule])),
            declarations=tuple(self._declaration(item) for item in consent.declarations),
            uses=self._uses(self.found.uses.get(consent.consent_id, Uses())),
            links=(self._link("self", "GET", path), self._link("withdraw", "POST", f"{path}:withdraw")),
        )

    def _decided(self, consent: Consent, category: str) -> DisclosureDecision:
        """What is decided at this moment, by the one function that decides (P6)."""
        question = Question(
            consent.borger_id,
            self._counting(consent.holder_unit),
            self._counting(consent.recipient_unit),
            consent.purpose,
            category,
        )
        return decide(question, self.found.snapshot, self.found.now)

    def _counting(self, unit: str) -> str:
        return self.labels.catalogue.counts_as(unit, self.found.now) or unit

    def _sentence(self, consent: Consent) -> str:
        labels = self.labels
        template = self._words(CONSENT)
        return template.format(
            recipient=labels.unit(consent.recipient_unit),
            holder=labels.unit(consent.holder_unit),
            categories="; ".join(labels.category(code) for code in sorted(consent.categories)),
            purpose=labels.purpose(consent.purpose),
            until=spoken_date(consent.ends_at, labels.language),
        )

    def _not_now(self, decisions: Iterable[DisclosureDecision]) -> str | None:
        noes = [answer for answer in decisions if not answer.permitted]
        return self._words(NOT_NOW.get(noes[0].reason, NOTHING_NOW)) if noes else None

    def _declaration(self, item: Declaration) -> overview_schemas.OverviewDeclaration:
        view = declaration_view(item, self.by.giver.borger_id)
        unit = view.attested_unit
        return overview_schemas.OverviewDeclaration.of(
            view,
            role_label=self._words(ROLES[view.role]),
            method_label=self._words(METHODS[view.method]),
            attested_unit_label=None if unit is None else self.labels.unit(unit),
        )

    def _uses(self, uses: Uses) -> overview_schemas.OverviewUses:
        last = tuple(
            overview_schemas.OverviewUse(
                event_type=_labelled(item.event_type, self.labels.event_type(item.event_type)),
                kind=_labelled(item.kind, self._words(KINDS_OF_USE[item.kind])),
                at=item.at,
            )
            for item in uses.last
        )
        return overview_schemas.OverviewUses(count=uses.count, last=last)

    def _requests(self) -> Iterator[overview_schemas.OverviewRequest]:
        for item in self.found.requests:
            if self.by.covers(item.purpose):
                yield overview_schemas.OverviewRequest.of(
                    item,
                    asked_by=self._unit(item.unit),
                    purpose=self._purpose(item.purpose),
                    links=(
                        self._link("self", "GET", f"requests/{item.request_id}"),
                        self._link("answer", "POST", f"requests/{item.request_id}:answer"),
                    ),
                )

    def _refusals(self) -> Iterator[overview_schemas.OverviewRefusal]:
        for item in self.found.person.refusals:
            if item.stands_at(self.found.now) and self._about(item.purpose):
                yield overview_schemas.OverviewRefusal.of(
                    item,
                    sentence=self._no(item),
                    purpose=None if item.purpose is None else self._purpose(item.purpose),
                    recipient=None if item.recipient_unit is None else self._unit(item.recipient_unit),
                    links=(self._link("lift", "POST", f"refusals/{item.refusal_id}:lift"),),
                )

    def _about(self, purpose: str | None) -> bool:
        """What is about every purpose is not a representative's who has some."""
        return self.by.purposes is None if purpose is None else self.by.covers(purpose)

    def _no(self, item: Refusal) -> str:
        labels, unit, purpose = self.labels, item.recipient_unit, item.purpose
        return self._words(REFUSAL).format(
            recipient=self._words(EVERYONE) if unit is None else labels.unit(unit),
            purpose=self._words(EVERYTHING) if purpose is None else labels.purpose(purpose),
        )

    def _restrictions(self) -> Iterator[overview_schemas.OverviewRestriction]:
        mine = {item.consent_id for item in self.found.consents if self._shows(item)}
        for item in self.found.person.restrictions:
            visible = self.by.purposes is None or item.consent_id in mine
            if visible and item.stands_at(self.found.now):
                yield overview_schemas.OverviewRestriction.of(
                    item,
                    sentence=EVENTS["restricted"].sentence.get(self.labels.language),
                    links=(self._link("list", "GET", "restrictions"),),
                )

    def _other_bases(self) -> Iterator[overview_schemas.OverviewOtherBasis]:
        for item in self.found.person.other_bases:
            if self.by.covers(item.purpose) and _stands(item, self.found.now):
                yield overview_schemas.OverviewOtherBasis.of(
                    item,
                    holder=self._unit(item.holder_unit),
                    recipient=self._unit(item.recipient_unit),
                    purpose=self._purpose(item.purpose),
                    category=_labelled(item.category, self.labels.category(item.category)),
                    law=self._law(item.legal_basis),
                )

    def _notices(self) -> Iterator[overview_schemas.OverviewNotice]:
        for notice in self.found.notices:
            label = NOTICES.get(notice.kind)
            kind = _labelled(notice.kind, notice.kind if label is None else self._words(label))
            yield overview_schemas.OverviewNotice.of(notice, kind=kind)

    def _municipality(self) -> overview_schemas.OverviewContact | None:
        policy = self.labels.catalogue.policy(self.found.now)
        if policy is None:
            return None
        return overview_schemas.OverviewContact.of(policy, cvr=policy.controller_cvr)

    def _links(self) -> Iterator[overview_schemas.Link]:
        yield self._link("list", "GET", "consents")
        yield self._link("give", "POST", "consents")
        yield self._link("refuse", "POST", "refusals")
        if self.by.purposes is None:
            yield self._link("uses", "GET", "uses")
            yield self._link("export", "GET", "export")
            yield self._link("export-pdf", "GET", "export?format=pdf")

    def _link(self, rel: str, method: str, path: str) -> overview_schemas.Link:
        return overview_schemas.Link.model_validate(
            {"rel": rel, "method": method, "href": f"/v1/citizens/{self.by.borger_id}/{path}"}
        )

    def _unit(self, code: str) -> overview_schemas.OverviewUnit:
        entry, counts = self.labels.unit_entry(code), self._counting(code)
        return overview_schemas.OverviewUnit(
            code=code,
            label=self.labels.unit(code),
            contact=None if entry is None else entry.contact,
            counts_as=None if counts == code else _labelled(counts, self.labels.unit(counts)),
        )

    def _purpose(self, code: str) -> overview_schemas.Labelled:
        return _labelled(code, self.labels.purpose(code))

    def _category(self, code: str, answer: DisclosureDecision) -> overview_schemas.OverviewCategory:
        labels = self.labels
        return overview_schemas.OverviewCategory(
            code=code, label=labels.category(code), special=labels.is_special(code), may_be_told=answer.permitted
        )

    def _law(self, code: str) -> overview_schemas.OverviewLaw:
        entry = self.labels.law_entry(code)
        consequence = None if entry is None or entry.consequence is None else entry.consequence
        return overview_schemas.OverviewLaw(
            code=code,
            label=self.labels.law(code),
            provision="" if entry is None else entry.provision,
            consequence=None if consequence is None else self._words(consequence),
        )

    def _words(self, words: Bilingual) -> str:
        return words.get(self.labels.language)


def _labelled(code: str, label: str) -> overview_schemas.Labelled:
    return overview_schemas.Labelled(code=code, label=label)


def _stands(basis: OtherBasis, now: datetime) -> bool:
    """Whether it has not run out and was not ended before its time."""
    return now < basis.valid_until and (basis.ended_at is None or now < basis.ended_at)
