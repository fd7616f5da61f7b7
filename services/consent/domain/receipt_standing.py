"""What a receipt tells of a restriction and of a basis that needs no consent: what it covers, from when until when."""

from uuid import UUID

from services.consent.domain.receipt import About, Words, optional_stamp, stamp
from services.consent.domain.snapshot import OtherBasis, Restriction


def about_restriction(borger_id: UUID, restriction: Restriction, ground: str) -> About:
    """A restriction, standing or lifted (R27). `ground`: the code of the letter of GDPR art. 18(1)."""
    consent_id = None if restriction.consent_id is None else str(restriction.consent_id)
    identity = {"restriction_id": str(restriction.restriction_id)}
    told = {
        "consent_id": consent_id,
        "ground": {"code": ground, "provision": "GDPR art. 18(1)"},
        "validity": {"from": stamp(restriction.recorded_at), "until": optional_stamp(restriction.lifted_at)},
    }
    return About(
        kind="restriction",
        object_id=restriction.restriction_id,
        identity=identity,
        record={**identity, "borger_id": str(borger_id), **told},
        says=told,
        path=f"/v1/citizens/{borger_id}/restrictions/{restriction.restriction_id}:lift",
    )


def about_basis(borger_id: UUID, basis: OtherBasis, words: Words) -> About:
    """A recorded basis, in force or ended. It is not the citizen's to end, so it has no path; they may refuse."""
    identity = {"basis_id": str(basis.basis_id)}
    validity = {"from": stamp(basis.valid_from), "until": stamp(basis.ended_at or basis.valid_until)}
    codes = {
        "purpose": basis.purpose,
        "holder_unit": basis.holder_unit,
        "recipient_unit": basis.recipient_unit,
        "category": basis.category,
        "legal_basis": basis.legal_basis,
        "emergency": basis.emergency,
    }
    return About(
        kind="other_basis",
        object_id=basis.basis_id,
        identity=identity,
        record={**identity, "borger_id": str(borger_id), **codes, "validity": validity},
        says={
            "purpose": words.purpose(basis.purpose),
            "holder": words.unit(basis.holder_unit),
            "recipient": words.unit(basis.recipient_unit),
            "categories": words.categories([basis.category]),
            "legal_basis": words.legal_basis(basis.legal_basis),
            "validity": validity,
            "consent_needed": False,
        },
    )
