"""What a run leaves behind, as values: the checker decides over these and nothing else.

Times called `t` or ending in `_ns` are CLOCK_MONOTONIC in nanoseconds, the same clock in every process of the machine.
Times ending in `_at` are the database's clock, in seconds. A scope is (borger_id, purpose, recipient unit).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.poison import Parked, Place
from tests.faults.trend import Trend

Scope = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal or refusal as the citizen saw it. `answered_ns`: its `200`; None: it never came."""

    scope: Scope
    asked_ns: int
    answered_ns: int | None
    withdrawal_id: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """The same as consent's database has it. `epochs`: the new epoch of each scope."""

    withdrawal_id: str
    epochs: Mapping[Scope, int]
    registered_at: float
    drained_at: float | None


@dataclass(frozen=True, slots=True)
class Permit:
    """A permit that consent has opened. `epochs`: each scope's epoch when it was; `state` and `ended_at` in the end."""

    permit_id: str
    epochs: Mapping[Scope, int]
    opened_at: float
    state: str
    ended_at: float | None
    committed_ns: int | None


@dataclass(frozen=True, slots=True)
class Bump:
    """A change of one scope, recorded under its lock; a change that was rolled back is here too."""

    scope: Scope
    epoch: int
    at: float


@dataclass(frozen=True, slots=True)
class Write:
    """The sender begins to write an answer (`http`) or a doorbell, under these permits."""

    t: int
    kind: str
    permits: tuple[str, ...]
    doorbell: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """No byte of it leaves after this. `reach` is how it is settled."""

    t: int
    permits: tuple[str, ...]
    reach: str


@dataclass(frozen=True, slots=True)
class Read:
    """One look at an inbox that was answered with 200. `shown`: (notification id, case reference)."""

    reader: str
    unit: str
    asked_ns: int
    answered_ns: int
    shown: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """From the `200` of a withdrawal to the moment when the citizen's next consent in the scope was sent."""

    scope: Scope
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """A case event that was accepted. `openings`: every answer that consent gave to its arrival."""

    event_id: str
    citizen: str
    openings: tuple[frozenset[tuple[str, str]], ...] = ()  # per answer: (recipient unit, purpose)


@dataclass(frozen=True, slots=True)
class Notification:
    """A row of advis in the end. `covered`: what it reveals is covered without a break until now, says consent."""

    notification_id: str
    event_id: str
    recipient: str
    purpose: str
    state: str
    covered: bool
    decision_id: str


@dataclass(frozen=True, slots=True)
class Ring:
    """A doorbell that reached a receiver. `era`: how often advis's database had been restored before."""

    t: int
    unit: str
    webhook_id: str
    body_sha256: str
    era: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """An audit entry in a service's outbox."""

    entry_id: str
    producer: str
    generation: int | None
    lane: int
    number: int | None
    type: str
    subject: str | None
    at: float
    objects: Mapping[str, str] = field(default_factory=dict)
    scope: tuple[str, str] | None = None  # (purpose, unit)


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry in the audit log."""

    index: int
    producer: str
    generation: int | None
    lane: int | None
    number: int | None
    type: str


@dataclass(frozen=True, slots=True)
class Log:
    """What the outside verifier said of the whole log, and whether its reading was complete."""

    leaves: int
    findings: tuple[str, ...]
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FaultLine:
    """One fault. `outage`: consent or its database could not answer because of it."""

    name: str
    began_ns: int
    ended_ns: int
    outage: bool
    detail: str = ""
    took_effect: bool = True


class NoEffectError(Exception):
    """A fault that was dealt and changed nothing; the text says why."""


@dataclass
class Evidence:
    """Everything of one run."""

    withdrawals: Sequence[Withdrawal] = ()
    registered: Mapping[str, Registered] = field(default_factory=dict)
    permits: Mapping[str, Permit] = field(default_factory=dict)
    bumps: Sequence[Bump] = ()
    writes: Sequence[Write] = ()
    ends: Sequence[End] = ()
    reads: Sequence[Read] = ()
    closed: Sequence[Closed] = ()
    citizen_of_case: Mapping[str, str] = field(default_factory=dict)  # case reference → borger_id
    events: Mapping[str, Event] = field(default_factory=dict)
    notifications: Sequence[Notification] = ()
    never: frozenset[str] = frozenset()  # borger_ids without any consent
    steady: frozenset[Scope] = frozenset()  # consented to before the first event and never ended
    wanted: Mapping[str, frozenset[str]] = field(default_factory=dict)  # event id → units that may hear of it
    final_inbox: Mapping[str, Sequence[str]] = field(default_factory=dict)  # unit → every open item, at the end
    settled_s: float | None = None  # seconds from the end of the faults to quiet; None: it never became quiet
    unsettled: str = ""  # what was still on its way then
    rings: Sequence[Ring] = ()
    notification_of_doorbell: Mapping[str, str] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    leaves: Sequence[Leaf] = ()
    log: Log | None = None
    restored: int = 0  # how often advis's database was restored from a backup
    canaries: Sequence[str] = ()  # where a planted value was found
    searched: Mapping[str, int] = field(default_factory=dict)  # where → bytes looked through
    poisoned: Sequence[Place] = ()
    parked: Mapping[Parked, int] = field(default_factory=dict)  # how often each poison record was parked, and by whom
    set_back: Mapping[str, int] = field(default_factory=dict)  # service → how often its position on the bus went back
    growth: Sequence[Mapping[str, int | str]] = ()  # each table's rows and bytes at the beginning and the end
    memory: Sequence[Mapping[str, int | str]] = ()  # each process's resident bytes
    latencies: Sequence[Mapping[str, int | str]] = ()  # of each kind of call, early and late
    trends: Sequence[Trend] = ()  # whether each figure stayed flat
    load_s: float = 0.0  # how long actors acted
    asked: Sequence[str] = ()  # the names of the faults that the run was to choose from
    faults: Sequence[FaultLine] = ()
    prompt: frozenset[str] = frozenset()  # recipient units whose readers and receivers take what they get at once
    grants: Sequence[tuple[int, int]] = ()  # asked and answered (ns): acts of the same making that wait for nobody
    began_ns: int = 0
    ended_ns: int = 0
