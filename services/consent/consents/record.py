"""What a receipt tells of a consent and of a refusal: one function each from the record to `About`."""

from typing import Any

from services.consent.consents.consent import Consent
from services.consent.receipts.receipt import optional_stamp, stamp


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
        "text": _text(consent),
        "status": str(consent.status),
        "closed_reason": None if consent.closed_reason is None else str(consent.closed_reason),
        "requested_at": stamp(consent.requested_at),
        "given_at": optional_stamp(consent.given_at),
        "valid_from": optional_stamp(consent.valid_from),
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


def _text(consent: Consent) -> dict[str, Any]:
    return {
        "code": consent.text_code,
        "version": consent.text_version,
        "language": consent.language,
        "sha256": consent.text_sha256,
    }
