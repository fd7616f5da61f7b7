"""What a receipt tells of a restriction and of a basis that needs no consent: what it covers, from when until when."""

from uuid import UUID

from services.consent.decision.snapshot import Restriction
from services.consent.receipts.receipt import About, optional_stamp, stamp


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
