"""What a receipt tells of a consent and of a refusal: one function each from the record to `About`."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from services.consent.domain.calendar import add_months
from services.consent.domain.consent import Consent
from services.consent.domain.receipt import About, Words, optional_stamp, stamp
from services.consent.domain.snapshot import Refusal

EndRule = Literal["legal_ceiling", "municipal_policy", "citizens_choice"]


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


def about_consent(consent: Consent, words: Words, *, supersedes: Collection[UUID] = ()) -> About:
    """A consent at the revision given, told in the language that it was given in.

    `supersedes`: the consents that this one replaces; they end with it and get no receipt of their own.
    """
    told = replace(words, language="en" if consent.language == "en" else "da")
    replaced = {"supersedes": sorted(str(item) for item in supersedes)} if supersedes else {}
    return About(
        kind="consent",
        object_id=consent.consent_id,
        identity={"consent_id": str(consent.consent_id), "revision": consent.revision, **replaced},
        record=record(consent),
        says={
            "purpose": {**told.purpose(consent.purpose), "version": consent.purpose_version},
            "holder": told.unit(consent.holder_unit),
            "recipient": told.unit(consent.recipient_unit),
            "categories": told.categories(consent.categories),
            "legal_basis": told.legal_basis(consent.legal_basis),
            "notice": _text(consent),
            "validity": {
                "from": optional_stamp(consent.valid_from),
                "until": stamp(consent.ends_at),
                "ceiling": stamp(consent.ceiling_until),
                "ceiling_rule": consent.legal_basis,
                "set_by": end_rule(consent, words),
            },
            "status": str(consent.status),
        },
        path=f"/v1/citizens/{consent.borger_id}/consents/{consent.consent_id}:withdraw" if consent.is_open else None,
    )


def end_rule(consent: Consent, words: Words) -> EndRule:
    """Which rule set the end: the municipality's own limit (R9), the ceiling of the legal basis, or the citizen.

    Where the first two say the same, it is the municipality's: its limit is never called law (`domain.md` §0).
    """
    policy = words.catalogue.policy(consent.requested_at)
    months = () if policy is None else (policy.consent_months_default, policy.consent_months_max)
    begun = {consent.requested_at, *(item.at for item in consent.declarations)}  # what was asked is answered later
    if consent.ends_at in {add_months(moment, number) for moment in begun for number in months}:
        return "municipal_policy"
    return "legal_ceiling" if consent.ends_at == consent.ceiling_until else "citizens_choice"


def about_refusal(borger_id: UUID, refusal: Refusal, words: Words) -> About:
    """A refusal, standing or lifted (R50). Where it is a no to every purpose or every recipient, that says `null`."""
    told = {
        "purpose": None if refusal.purpose is None else words.purpose(refusal.purpose),
        "recipient": None if refusal.recipient_unit is None else words.unit(refusal.recipient_unit),
        "validity": {"from": stamp(refusal.recorded_at), "until": optional_stamp(refusal.lifted_at)},
    }
    identity = {"refusal_id": str(refusal.refusal_id)}
    codes = {"purpose": refusal.purpose, "recipient_unit": refusal.recipient_unit, "validity": told["validity"]}
    return About(
        kind="refusal",
        object_id=refusal.refusal_id,
        identity=identity,
        record={**identity, "borger_id": str(borger_id), **codes},
        says=told,
        path=f"/v1/citizens/{borger_id}/refusals/{refusal.refusal_id}:lift" if refusal.lifted_at is None else None,
    )


def _text(consent: Consent) -> dict[str, Any]:
    return {
        "code": consent.text_code,
        "version": consent.text_version,
        "language": consent.language,
        "sha256": consent.text_sha256,
    }
