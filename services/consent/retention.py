"""How long each table of the consent database keeps its rows. docs/retention.md is made from this."""

from typing import Final
from uuid import UUID

from libs.common.running.retention import COMMON, Kept, Purged, Retention, Walk

_CASE: Final = (
    "Evidence of a declared will, needed as long as the case that rests on it and its limitation period (R19), which"
    " the municipality alone knows: nothing here deletes it."
)
_FENCE: Final = "What the fence rests on: one row for each scope, changed in place."
_REFERENCE: Final = "Reference data in versions: what a receipt or a decision names must stay readable."
_PERSON: Final = "One row a person, as long as anything about the person is kept."

RETENTION: Final[Retention] = {
    **COMMON,
    "attestation": Kept(_CASE),
    "authority": Kept(_CASE),
    "case_fact": Kept("One row a case, changed in place: an ending hangs on it."),
    "catalogue_entry": Kept(_REFERENCE),
    "catalogue_revision": Kept("One row."),
    "citizen": Kept(_PERSON),
    "consent": Kept(_CASE),
    "consent_history": Kept(_CASE),
    "consent_request": Kept(_CASE),
    "coverage": Kept(_FENCE),
    "custody": Kept(_PERSON),
    "custody_fact": Kept("What custody was on each day that a declaration was made (R5)."),
    "declaration": Kept(_CASE),
    "fence_generation": Kept("One row."),
    "fence_order": Kept("One row for each holder that was ordered fenced: evidence of why an answer waited."),
    "holder": Kept("One row for each start of a disclosing process: a dead one must never acquire again."),
    "idempotency": (Purged("created_at", "idempotency_hours", "Keys that nobody repeats any more."),),
    "life_fact": Kept("What was reported of a person, so that it can be corrected however late (R18)."),
    "notice": Kept(_CASE),
    "other_basis": Kept(_CASE),
    "parked_event": (
        Purged("parked_at", "replay_horizon_days", "What a source may ask the fate of; older, nothing is replayed."),
    ),
    "permit": (
        Purged(
            "ended_at",
            "permit_kept_hours",
            "Ended permits: no late call with the same id comes any more. An open one stays until it is settled.",
            "state <> 'open'",
            Walk("permit_id", UUID(int=0)),
        ),
    ),
    "permit_scope": Kept("Goes when its permit ends."),
    "receipt": Kept(_CASE),
    "refusal": Kept(_CASE),
    "reported_event": (
        Purged("reported_at", "replay_horizon_days", "Keyed hashes that a source's corrections are judged by."),
    ),
    "request_item": Kept(_CASE),
    "restriction": Kept(_CASE),
    "scope": Kept(_FENCE),
    "use_log": Kept("The citizen's own view of each use (P4), one row a day, kept with the consent that was used."),
    "withdrawal": Kept(_CASE),
    "withdrawal_part": Kept(_CASE),
    "withdrawal_scope": Kept(_CASE),
}
