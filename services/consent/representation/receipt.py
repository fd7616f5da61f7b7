"""What a receipt tells of an authority: who may speak for the citizen, in which capacity, about what, on what paper.

Both the citizen and the representative are pseudonyms, and of the employees only the unit is told (R25).
"""

from services.consent.citizens.authority import Authority
from services.consent.receipts.receipt import About, ReceiptWords, optional_stamp


def about_authority(authority: Authority, words: ReceiptWords) -> About:
    """An authority at the revision given."""
    codes = None if authority.purposes is None else sorted(authority.purposes)
    until = None if authority.valid_to is None else authority.valid_to.isoformat()
    told = {
        "authority_kind": str(authority.kind),
        "representative": str(authority.representative),
        "replaces_citizen": authority.replaces,
        "evidence": authority.evidence,
        "unit": words.unit(authority.recorded_unit),
        "validity": {"from": authority.valid_from.isoformat(), "until": until},
        "ended_at": optional_stamp(authority.ended_at),
    }
    identity = {"authority_id": str(authority.authority_id), "revision": authority.revision}
    return About(
        kind="authority",
        object_id=authority.authority_id,
        identity=identity,
        record={**identity, **told, "purposes": codes, "borger_id": str(authority.borger_id)},
        says={**told, "purposes": None if codes is None else [words.purpose(code) for code in codes]},
        path=f"/v1/citizens/{authority.borger_id}/authorities/{authority.authority_id}:end",
    )
