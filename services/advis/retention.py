"""How long each table of the advis database keeps its rows. docs/retention.md is made from this."""

from typing import Final

from libs.common.running.retention import COMMON, Kept, Purged, Retention

RETENTION: Final[Retention] = {
    **COMMON,
    "case_registry": Kept("One row a case, changed in place: whose case it is."),
    "case_step": Kept("What was reported of a case, so that it can be corrected however late (R18)."),
    "doorbell": Kept("Goes with its notification."),
    "ingested": (
        Purged("received_at", "replay_horizon_days", "Keys of what came in by HTTP: nothing older is repeated."),
    ),
    "parked_event": (
        Purged("parked_at", "replay_horizon_days", "What a source may ask the fate of; older, nothing is replayed."),
    ),
    "notification": (
        Purged(
            "changed_at",
            "retention_done_days",
            "Handled or cancelled so long ago (R19).",
            "state IN ('handled', 'cancelled')",
        ),
        Purged("arrived_at", "retention_any_days", "Raised so long ago, whatever became of it (R19)."),
    ),
    "reported_event": (
        Purged("reported_at", "replay_horizon_days", "Keyed hashes that a source's corrections are judged by."),
    ),
    "reading": Kept("Goes when it is told, a minute after the first look-up."),
}
