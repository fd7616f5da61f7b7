"""What a receipt says about another legal basis."""

from uuid import UUID

from services.consent.decision.snapshot import OtherBasis
from services.consent.receipts.receipt import About, ReceiptWords, stamp


def about_basis(borger_id: UUID, basis: OtherBasis, words: ReceiptWords) -> About:
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
