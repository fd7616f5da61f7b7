"""Every Prometheus metric of the system, declared once (law 11: what goes wrong is counted and seen).

1. A label is a closed set of codes that stand in our code or our reference data: never a person, an id or free text.
   What may come from outside passes `label` first.
2. Names follow the Prometheus conventions: base units, `_total` for counters.
3. One registry of our own. Of the client library's collectors it keeps the process's (CPU, memory, descriptors) and
   leaves out the platform's, whose labels are versions, and the garbage collector's, which is frozen at the start.
"""

import re
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import disable_created_metrics

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"

# A code, topic, table or route template: no long run of digits, so no number of a person and no random id.
_LABEL = re.compile(r"(?!.*[0-9]{4})(?!.*[0-9a-f]{8}-)[A-Za-z_/{][A-Za-z0-9_.:{}/-]{0,79}")

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"samtykkebro_{name}", meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(f"samtykkebro_{name}", meaning, labels, registry=REGISTRY)


# The outbox and the relay.
OUTBOX_UNSENT_ROWS = _gauge("outbox_unsent_rows", "Rows of the outbox that the relay has not published.")
OUTBOX_OLDEST_UNSENT_SECONDS = _gauge("outbox_oldest_unsent_seconds", "Age of the oldest unsent row of the outbox.")
RECORDS_REFUSED = _counter("records_refused", "Rows that the bus would not take as they were.", "topic", "reason")

# Consumers.
CONSUMER_LAG_RECORDS = _gauge(
    "consumer_lag_records", "Records of a partition that the service has not consumed.", "topic", "partition"
)
PARTITIONS_STUCK = _gauge("partitions_stuck", "Partitions that have failed for longer than the limit.", "topic")
RECORDS_PARKED = _counter("records_parked", "Records that could not be handled and were parked.", "topic", "reason")
RECORDS_LOST = _counter("records_lost", "Records that the bus no longer had when they were to be read.", "topic")

# Loops and sweeps.
LOOPS_BROKEN = _counter("loops_broken", "Loops of a process that failed and began anew.", "loop")
SWEEP_ITEMS_FAILED = _counter("sweep_items_failed", "Items that a periodic sweep could not finish.", "sweep")
SWEEPS_FAILED = _counter("sweeps_failed", "Rounds of a periodic sweep that ended in an error.", "sweep")
ROWS_PURGED = _counter("rows_purged", "Rows deleted at the end of their retention.", "table")
ENTRIES_COALESCED = _counter("entries_coalesced", "Repeated empty reads that one audit entry counts together.")

# The fence.
DRAINS_OVERDUE = _gauge("drains_overdue", "Withdrawals whose drain has lasted for more than a minute.")
PERMITS_PAST_LEASE = _gauge("permits_past_lease", "Open permits whose lease and margin have passed.")
HOLDERS_ORDERED = _gauge("holders_ordered", "Holders ordered fenced whose death is not confirmed.")

# Doors.
REFUSALS = _counter("refusals", "Requests refused, by the kind of the problem document.", "kind")
HTTP_REQUESTS = _counter("http_requests", "Answered requests.", "route", "method", "status")
HTTP_SECONDS = Histogram(
    "samtykkebro_http_seconds",
    "Time from the request's head to the answer's last byte.",
    ("route", "method"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=REGISTRY,
)
TOKENS_REFUSED = _counter("tokens_refused", "Access tokens that did not hold, by the step that refused.", "reason")
UNUSABLE_KEYS = _counter("unusable_keys", "Keys of a key set that were skipped.", "reader")

# Storage and the process.
POOL_CONNECTIONS = _gauge("pool_connections", "Connections of the database pools in use.", "pool")
TABLE_ROWS = _gauge("table_rows", "Rows of a table, as the server estimates.", "table")
TABLE_BYTES = _gauge("table_bytes", "Bytes of a table with its indexes.", "table")
UNREADABLE_ROWS = _counter("unreadable_rows", "Stored rows that could not be read and were left out.", "list")
EVENT_LOOP_LAG_SECONDS = _gauge("event_loop_lag_seconds", "How late the event loop ran its last timer.")

# Alarms.
ALARMS_RAISED = _counter("alarms_raised", "Alarms raised, repetitions included.", "code")
ALARMS_OPEN = _gauge("alarms_open", "Alarms that nobody has acknowledged.", "code")


def label(value: str) -> str:
    """`value` when it has the form of one of our codes, else `other`. For values that outsiders can influence."""
    return value if _LABEL.fullmatch(value) else OTHER


def exposition() -> bytes:
    """Everything in the Prometheus text format, MEDIA_TYPE."""
    return generate_latest(REGISTRY)
