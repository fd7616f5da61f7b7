"""Who may write and read which topic: principal → topic → client (ADR 0003, a source says only what is its own).

Rules:
- Only relays write our own topics, and only consumers read. On Kafka each is a principal of its own,
  `<service>-relay` and `<service>-consumer`; on the embedded bus a service is one process and one role.
- A source is the principal that its client id names. It writes its own topic, and reads nothing.
- No source writes the former `case.events`: what lies there is read until the change-over ends.
- A consumer's relay writes the dead letters of what the consumer reads; only the bus's owner reads dead letters.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from libs.common.bus.port import Grant
from libs.common.wire.messages import AUDIT_ENTRIES, CASE_EVENTS, CONSENT_EVENTS, DEAD_LETTER_SUFFIX, HTTP_EVENTS
from libs.common.wire.sources import Binding

ROLE_PREFIX: Final = "bus_"  # of the embedded bus's roles: `bus_consent`
_WRITES: Final[Mapping[str, frozenset[str]]] = {
    "consent": frozenset({CONSENT_EVENTS, AUDIT_ENTRIES}),
    # The former topic for what its outbox held before each source had one of its own.
    "advis": frozenset({HTTP_EVENTS, CASE_EVENTS, AUDIT_ENTRIES}),
    "audit": frozenset({AUDIT_ENTRIES}),
}
_READS: Final[Mapping[str, frozenset[str]]] = {
    "consent": frozenset(),
    "advis": frozenset({CONSENT_EVENTS}),
    "audit": frozenset({AUDIT_ENTRIES}),
}
_READ_CASE_EVENTS: Final = frozenset({"consent", "advis"})
_GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "consent": frozenset({"consent"}),
    "advis": frozenset({"advis.case-events", "advis.consent-events"}),
    "audit": frozenset({"audit"}),
}


def kafka_grants(topics: Iterable[str], sources: Iterable[Binding]) -> tuple[Grant, ...]:
    """A grant for each relay, each consumer and each source. `topics`: every declared name."""
    topics = frozenset(topics)
    made: list[Grant] = []
    for service in _WRITES:
        writes, reads = _rights(service, topics)
        made.append(Grant(f"{service}-relay", writes, frozenset()))
        made.append(Grant(f"{service}-consumer", frozenset(), reads, _GROUPS[service]))
    made += [Grant(source.client_id, frozenset({source.topic}), frozenset()) for source in sources]
    return tuple(made)


def embedded_grants(topics: Iterable[str]) -> tuple[Grant, ...]:
    """A grant for each service's role on the embedded bus, which no source reaches."""
    topics = frozenset(topics)
    return tuple(Grant(f"{ROLE_PREFIX}{service}", *_rights(service, topics)) for service in _WRITES)


def _rights(service: str, topics: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """(writes, reads) of a service."""
    cases = {name for name in topics if name == CASE_EVENTS or name.startswith(f"{CASE_EVENTS}.")}
    reads = _READS[service] | (cases if service in _READ_CASE_EVENTS else frozenset())
    reads = frozenset(name for name in reads if not name.endswith(DEAD_LETTER_SUFFIX))
    return _WRITES[service] | {name + DEAD_LETTER_SUFFIX for name in reads}, reads
