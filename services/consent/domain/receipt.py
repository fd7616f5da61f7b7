"""What a receipt says (P5; `consent-field.md` §2.3): one shape for a grant, a declaration, a renewal and a withdrawal.

1. It names the record and its revision by hash, so the receipt proves which record it is about.
2. Receipts of one citizen form a chain: a sequence number without gaps and the hash of the one before.
3. It never holds a CPR number or a name of a person; the subject and the actor are pseudonyms, and of an employee who
   attested it only the unit is told (R25).
4. Times are RFC 3339 in UTC with whole seconds; a text that is signed has one form only.

Canonical form (RFC 8785) and signature are added outside: this is the plain value.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.consent.domain.acting import Giver
from services.consent.domain.catalogue import Catalogue, Entry, Language, Policy
from services.consent.domain.consent import Consent
from services.consent.domain.snapshot import Refusal

PROFILE = "urn:samtykkebro:receipt:1"


class ReceiptEvent(StrEnum):
    """What the receipt is for. `declared`: one of several declarations given, the others still missing."""

    GIVEN = "given"
    DECLARED = "declared"
    RENEWED = "renewed"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    REFUSAL_LIFTED = "refusal_lifted"


@dataclass(frozen=True, slots=True)
class Act:
    """What was done, by whose word, when."""

    event: ReceiptEvent
    giver: Giver
    at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A receipt's place in the citizen's chain. `previous_sha256`: of the compact JWS before it; None for the first."""

    receipt_id: UUID
    sequence: int
    previous_sha256: str | None
    issued_at: datetime
    issuer: str


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record(consent: Consent) -> dict[str, Any]:
    """The consent at its revision as a JSON value: what the history keeps and the receipt's hash is over."""
    return {
        "consent_id": str(consent.consent_id),
        "revision": consent.revision,
        "borger_id": str(consent.borger_id),
        "purpose": {"code": consent.purpose, "version": consent.purpose_version},
        "holder_unit": consent.holder_unit,
        "recipient_unit": consent.recipient_unit,
        "categories": sorted(consent.categories),
        "legal_basis": consent.legal_basis,
        "text": {
            "code": consent.text_code,
            "version": consent.text_version,
            "language": consent.language,
            "sha256": consent.text_sha256,
        },
        "status": str(consent.status),
        "closed_reason": None if consent.closed_reason is None else str(consent.closed_reason),
        "requested_at": stamp(consent.requested_at),
        "given_at": _optional(consent.given_at),
        "valid_from": _optional(consent.valid_from),
        "valid_until": stamp(consent.valid_until),
        "ceiling_until": stamp(consent.ceiling_until),
        "declarations": [
            {
                "declaration_id": str(item.declaration_id),
                "giver": str(item.giver),
                "role": str(item.role),
                "method": item.method,
                "assurance": item.assurance,
                "at": stamp(item.at),
                "text_sha256": item.text_sha256,
                "affirmed_special": sorted(item.affirmed_special),
                "authority_id": None if item.authority_id is None else str(item.authority_id),
                "attested_unit": item.attested_unit,
            }
            for item in consent.declarations
        ],
    }


def consent_payload(
    consent: Consent, act: Act, *, link: Link, record_sha256: str, catalogue: Catalogue
) -> dict[str, Any]:
    """The receipt about a consent, as a JSON value. Labels are in the language that the citizen consented in."""
    words = _Words(catalogue, "en" if consent.language == "en" else "da", act.at)
    withdraw = f"/v1/citizens/{consent.borger_id}/consents/{consent.consent_id}:withdraw"
    return {
        **_head(consent.borger_id, act, link),
        "record": {"consent_id": str(consent.consent_id), "revision": consent.revision, "sha256": record_sha256},
        **_scope(consent, words),
        "validity": {
            "from": _optional(consent.valid_from),
            "until": stamp(consent.ends_at),
            "ceiling": stamp(consent.ceiling_until),
            "ceiling_rule": consent.legal_basis,
        },
        "status": str(consent.status),
        **_controller(catalogue.policy(act.at), withdraw),
    }


def refusal_payload(borger_id: UUID, refusal: Refusal, act: Act, *, link: Link, catalogue: Catalogue) -> dict[str, Any]:
    """The receipt about a refusal (R50) or its lifting, as a JSON value. Labels are in Danish."""
    words = _Words(catalogue, "da", act.at)
    lift = f"/v1/citizens/{borger_id}/refusals/{refusal.refusal_id}:lift"
    return {
        **_head(borger_id, act, link),
        "record": {"refusal_id": str(refusal.refusal_id)},
        "purpose": words.named(refusal.purpose, catalogue.purpose(refusal.purpose, act.at)),
        "recipient": words.named(refusal.recipient_unit, catalogue.unit(refusal.recipient_unit, act.at)),
        "validity": {"from": stamp(refusal.recorded_at), "until": _optional(refusal.lifted_at)},
        **_controller(catalogue.policy(act.at), lift),
    }


def _head(subject: UUID, act: Act, link: Link) -> dict[str, Any]:
    return {
        "conformsTo": PROFILE,
        "receipt_id": str(link.receipt_id),
        "issuer": link.issuer,
        "issued_at": stamp(link.issued_at),
        "event": str(act.event),
        "sequence": link.sequence,
        "previous_receipt_sha256": link.previous_sha256,
        "subject": str(subject),
        "act": {
            "actor": str(act.giver.borger_id),
            "role": str(act.giver.role),
            "method": str(act.giver.method),
            "assurance": act.giver.assurance,
            "authority_id": None if act.giver.authority_id is None else str(act.giver.authority_id),
            "attested_unit": act.giver.attested_unit,
            "at": stamp(act.at),
        },
    }


@dataclass(frozen=True, slots=True)
class _Words:
    catalogue: Catalogue
    language: Language
    at: datetime

    def named(self, code: str, entry: Entry | None) -> dict[str, Any]:
        return {"code": code} if entry is None else {"code": code, "label": entry.label.get(self.language)}


def _scope(consent: Consent, words: _Words) -> dict[str, Any]:
    catalogue, at = words.catalogue, words.at
    law = catalogue.legal_basis(consent.legal_basis, at)
    categories = []
    for code in sorted(consent.categories):
        entry = catalogue.category(code, at)
        categories.append({**words.named(code, entry), "special": entry is None or entry.special is not None})
    return {
        "purpose": {
            **words.named(consent.purpose, catalogue.purpose(consent.purpose, at)),
            "version": consent.purpose_version,
        },
        "holder": words.named(consent.holder_unit, catalogue.unit(consent.holder_unit, at)),
        "recipient": words.named(consent.recipient_unit, catalogue.unit(consent.recipient_unit, at)),
        "categories": categories,
        "legal_basis": {"code": consent.legal_basis, "provision": "" if law is None else law.provision},
        "notice": {
            "code": consent.text_code,
            "version": consent.text_version,
            "language": consent.language,
            "sha256": consent.text_sha256,
        },
    }


def _controller(policy: Policy | None, path: str) -> dict[str, Any]:
    if policy is None:
        return {"withdrawal": {"path": path}}
    return {
        "controller": {"name": policy.controller, "cvr": policy.controller_cvr},
        "withdrawal": {"path": path, "contact": policy.contact},
        "supervisory_authority": policy.supervisory_authority,
        "storage": {"place": policy.storage_place, "retention": policy.retention_rule},
    }


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)
