"""The verdict: each invariant of the fence decided over one run's evidence, and said in one line with its counts.

Pure: histories and rows in, verdicts out. An invariant that had nothing to be decided over has not held: every verdict
names what it needs at least one of.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.evidence import Closed, Event, Evidence, Notification, Permit, Scope, Write
from tests.faults.poison import TOPICS, misparked

S = 1e9  # nanoseconds
CALM_P99_S, GRANTS = 1.0, 1.5  # T1 without faults: a second, and what one and a half grants take on this machine
LEASE_S, MARGIN_S, KILL_S = 5.0, 0.5, 6.5  # T1 with faults: the lease, consent's margin, and a death confirmed
QUIET_S = 60.0
POISON = "poison"  # the fault of that name
SHOWN_MAX = 5  # offending lines that a verdict quotes


@dataclass(frozen=True)
class Verdict:
    """One invariant. `needs`: the counts of which there must be at least one; `missing`: what else there was not."""

    name: str
    title: str
    counts: Mapping[str, int | float]
    needs: tuple[str, ...]
    broken: Sequence[str] = field(default_factory=tuple)
    missing: Sequence[str] = field(default_factory=tuple)

    @property
    def undecided(self) -> tuple[str, ...]:
        """What there was nothing of."""
        return *(need for need in self.needs if not self.counts.get(need)), *self.missing

    @property
    def held(self) -> bool:
        """Whether it was decided, and for the better."""
        return not self.broken and not self.undecided

    def line(self) -> str:
        """`S1 held  no doorbell …  2114 doorbells, 530 withdrawals`."""
        word = "held" if self.held else "BROKEN" if self.broken else "NOTHING TO DECIDE"
        counted = ", ".join(f"{value:,} {name}" for name, value in self.counts.items())
        return f"{self.name:<3} {word:<7} {self.title}: {counted}"


class _Answered:
    """Per scope, the earliest `200` of any withdrawal newer than an epoch."""

    def __init__(self, evidence: Evidence) -> None:
        found: defaultdict[Scope, list[tuple[int, int, str]]] = defaultdict(list)
        for one in evidence.withdrawals:
            known = evidence.registered.get(one.withdrawal_id or "")
            if one.answered_ns is not None and known is not None:
                for scope, epoch in known.epochs.items():
                    found[scope].append((epoch, one.answered_ns, known.withdrawal_id))
        self._epochs: dict[Scope, list[int]] = {}
        self._first: dict[Scope, list[tuple[int, str]]] = {}
        for scope, rows in found.items():
            rows.sort()
            self._epochs[scope] = [epoch for epoch, _, _ in rows]
            best: tuple[int, str] = (2**63, "")
            firsts = []
            for _, answered, name in reversed(rows):
                best = min(best, (answered, name))
                firsts.append(best)
            self._first[scope] = firsts[::-1]

    def after(self, scope: Scope, epoch: int) -> tuple[int, str] | None:
        """The first `200` of a withdrawal of this scope that is newer than `epoch`, and whose it is."""
        at = bisect_right(self._epochs.get(scope, []), epoch)
        return self._first[scope][at] if at < len(self._first.get(scope, [])) else None


def _late(evidence: Evidence, kind: str) -> Iterable[str]:
    """Bytes written, or still leaving, under a permit older than a withdrawal that was already answered."""
    answered = _Answered(evidence)
    kinds = {permit: write.kind for write in evidence.writes for permit in write.permits}
    moments = [("was written", w.t, w.permits) for w in evidence.writes if w.kind == kind]
    moments += [
        ("was still leaving", e.t, tuple(p for p in e.permits if kinds.get(p) == kind))
        for e in evidence.ends
        if e.reach != "not_sent"
    ]
    for what, at, permits in moments:
        for permit_id in permits:
            permit = evidence.permits.get(permit_id)
            if permit is None:
                continue
            for scope, epoch in permit.epochs.items():
                first = answered.after(scope, epoch)
                if first is not None and at > first[0]:
                    late_ms = (at - first[0]) / 1e6
                    yield f"permit {permit_id} at epoch {epoch} {what} {late_ms:.1f} ms after the 200 of {first[1]}"


def s1(evidence: Evidence) -> Verdict:
    """No doorbell leaves later than the 200 of a withdrawal newer than its permit."""
    bells = [write for write in evidence.writes if write.kind == "doorbell"]
    counts = {
        "doorbells written": len(bells),
        "received": len(evidence.rings),
        "withdrawals answered": _answered_count(evidence),
    }
    return Verdict("S1", "no doorbell after the 200", counts, tuple(counts), [*_late(evidence, "doorbell")])


def s2(evidence: Evidence) -> Verdict:
    """The same for whatever says something, and, seen from outside, no read begun after the 200 shows the citizen."""
    writes = [write for write in evidence.writes if write.kind == "http" and write.permits]
    inside = _Inside(evidence.closed)
    broken = [*_late(evidence, "http")]
    looked = 0
    for read in evidence.reads:
        looked += sum(inside.holds(scope, read.asked_ns, read.answered_ns) for scope in inside.scopes(read.unit))
        for notification, case in read.shown:
            citizen = evidence.citizen_of_case.get(case)
            hit = [s for s in inside.scopes(read.unit) if s[0] == citizen]
            if any(inside.holds(scope, read.asked_ns, read.answered_ns) for scope in hit):
                broken.append(
                    f"{read.reader} was shown {notification} in a read begun at {read.asked_ns}, after the 200"
                )
    counts = {
        "answers with content": len(writes),
        "permits": sum(len(write.permits) for write in writes),
        "withdrawals answered": _answered_count(evidence),
        "reads inside a closed interval": looked,
    }
    return Verdict("S2", "no content after the 200", counts, tuple(counts), broken)


class _Inside:
    """Closed intervals by scope."""

    def __init__(self, closed: Sequence[Closed]) -> None:
        self._found: defaultdict[Scope, list[tuple[int, int]]] = defaultdict(list)
        for one in sorted(closed, key=lambda c: c.since_ns):
            self._found[one.scope].append((one.since_ns, one.until_ns))

    def scopes(self, unit: str) -> list[Scope]:
        return [scope for scope in self._found if scope[2] == unit]

    def holds(self, scope: Scope, begun: int, ended: int) -> bool:
        intervals = self._found[scope]
        at = bisect_right(intervals, (begun, 2**63)) - 1
        return at >= 0 and intervals[at][0] <= begun and ended <= intervals[at][1]


def _answered_count(evidence: Evidence) -> int:
    return sum(one.answered_ns is not None for one in evidence.withdrawals)


def s3(evidence: Evidence) -> Verdict:
    """A permit's epoch is the one that was current when it was opened: no newer change had been made before it."""
    turns: defaultdict[Scope, dict[int, float]] = defaultdict(dict)
    for bump in evidence.bumps:  # one that was rolled back gives its epoch to the next: the last one counts
        turns[bump.scope][bump.epoch] = bump.at
    ordered = {scope: sorted(found.items()) for scope, found in turns.items()}
    broken, decided = [], 0
    for permit in evidence.permits.values():
        for scope, epoch in permit.epochs.items():
            decided += 1
            found = ordered.get(scope, [])
            own = turns[scope].get(epoch)
            following = bisect_right(found, (epoch, float("inf")))
            if own is not None and own > permit.opened_at:
                broken.append(f"permit {permit.permit_id} was opened at epoch {epoch} before that epoch was")
            if following < len(found) and found[following][1] < permit.opened_at:
                broken.append(
                    f"permit {permit.permit_id} was opened at epoch {epoch}, {found[following][0]} was current"
                )
    counts = {"permits": len(evidence.permits), "scopes": decided, "changes of a scope": len(evidence.bumps)}
    return Verdict("S3", "no permit at an old epoch", counts, tuple(counts), broken)


def s4(evidence: Evidence) -> Verdict:
    """When it is written down that a withdrawal is drained, every older permit of its scopes has ended."""
    by_scope: defaultdict[Scope, list[tuple[int, Permit]]] = defaultdict(list)
    for permit in evidence.permits.values():
        for scope, epoch in permit.epochs.items():
            by_scope[scope].append((epoch, permit))
    for rows in by_scope.values():
        rows.sort(key=lambda row: row[0])
    broken, older, drained, waited = [], 0, 0, 0
    for one in evidence.registered.values():
        if one.drained_at is None:
            continue
        drained += 1
        for scope, epoch in one.epochs.items():
            rows = by_scope.get(scope, [])
            for _, permit in rows[: bisect_left(rows, epoch, key=lambda row: row[0])]:
                older += 1
                waited += permit.ended_at is not None and permit.ended_at > one.registered_at
                if permit.state == "open" or permit.ended_at is None or permit.ended_at > one.drained_at:
                    broken.append(f"{one.withdrawal_id} was drained with permit {permit.permit_id} {permit.state}")
    broken += _forgotten(evidence)
    counts = {"withdrawals drained": drained, "older permits": older, "waited for": waited}
    return Verdict("S4", "no 200 while an older permit is open", counts, tuple(counts), broken)


def _forgotten(evidence: Evidence) -> Iterable[str]:
    for one in evidence.withdrawals:
        known = evidence.registered.get(one.withdrawal_id or "")
        if one.answered_ns is not None and (known is None or known.drained_at is None):
            yield f"withdrawal {one.withdrawal_id} was answered 200 and the database does not know it"


def s5(evidence: Evidence) -> Verdict:
    """One notification for an event, recipient and purpose; one webhook-id and one body for all of its attempts."""
    made = Counter((n.event_id, n.recipient, n.purpose) for n in evidence.notifications)
    broken = [f"{count} notifications for {key}" for key, count in made.items() if count > 1]
    names: defaultdict[str, set[str]] = defaultdict(set)
    bodies: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for ring in evidence.rings:
        bodies[ring.webhook_id, ring.era].add(ring.body_sha256)
        if ring.webhook_id in evidence.notification_of_doorbell:
            names[evidence.notification_of_doorbell[ring.webhook_id]].add(ring.webhook_id)
        elif not evidence.restored:
            broken.append(f"a doorbell {ring.webhook_id} rang that no notification has")
    broken += [f"notification {n} rang under {len(ids)} ids" for n, ids in names.items() if len(ids) > 1]
    broken += [f"webhook {name[0]} had {len(found)} bodies" for name, found in bodies.items() if len(found) > 1]
    attempts = Counter(ring.webhook_id for ring in evidence.rings)
    counts = {
        "notifications": len(evidence.notifications),
        "doorbells": len(attempts),
        "rung more than once": sum(count > 1 for count in attempts.values()),
    }
    return Verdict("S5", "one advis, one webhook-id, one body", counts, tuple(counts), broken)


def l1(evidence: Evidence) -> Verdict:
    """After the faults: what was covered without a break is there exactly once, everything else has left no trace."""
    rows: defaultdict[tuple[str, str], list[Notification]] = defaultdict(list)
    for n in evidence.notifications:
        rows[n.event_id, n.recipient].append(n)
    wishes = [(evidence.events[event_id], unit) for event_id, units in evidence.wanted.items() for unit in units]
    steady = {(scope[0], scope[2]) for scope in evidence.steady}
    broken = (
        []
        if evidence.settled_s is not None
        else [f"not quiet within {QUIET_S:.0f} s of the last fault: {evidence.unsettled}"]
    )
    for event, unit in wishes:
        certain = (event.citizen, unit) in steady
        broken += _told(event, unit, rows.get((event.event_id, unit), []), certain=certain)
    broken += _standing(evidence)
    broken += _traces(evidence)
    counts = {
        "events": len(evidence.events),
        "told": sum((event.event_id, unit) in rows for event, unit in wishes),
        "not told": sum((event.event_id, unit) not in rows for event, unit in wishes),
        "under a consent that never broke": sum((event.citizen, unit) in steady for event, unit in wishes),
        "open at the end": sum(len(items) for items in evidence.final_inbox.values()),
        "seconds to quiet": round(evidence.settled_s or 0.0, 1),
    }
    return Verdict("L1", "told exactly once, or no trace", counts, tuple(counts)[:5], broken)


def _told(event: Event, unit: str, made: Sequence[Notification], *, certain: bool) -> Iterable[str]:
    """What is wrong with what one event became for one unit, given every answer that consent gave to its arrival."""
    answers = [any(unit == recipient for recipient, _ in openings) for openings in event.openings]
    where = f"event {event.event_id} for {unit}"
    if len(made) > 1:
        yield f"{where} became {len(made)} notifications"
    if not made and (certain or all(answers)):
        yield f"{where} was lost: consent's answers to its arrival were {answers}"
    if made and not any(answers):
        yield f"{where} became a notification without an opening"
    if certain and made and made[0].state == "cancelled":
        yield f"{where} was cancelled under an unbroken consent"


def _standing(evidence: Evidence) -> Iterable[str]:
    """What is covered and open stands in the inbox once, and nothing else does."""
    open_items = {unit: Counter(items) for unit, items in evidence.final_inbox.items()}
    for n in evidence.notifications:
        seen = open_items.get(n.recipient, Counter())[n.notification_id]
        if seen != int(n.covered and n.state in {"unread", "read"}):
            yield f"notification {n.notification_id} ({n.state}) stands {seen} times in {n.recipient}'s inbox"
        if not n.covered and n.state in {"unread", "read"}:
            yield f"notification {n.notification_id} was refused and left open"
        if n.covered and n.state == "cancelled":
            yield f"notification {n.notification_id} was cancelled though its consent never broke"


def _traces(evidence: Evidence) -> Iterable[str]:
    events = {event_id for event_id, event in evidence.events.items() if event.citizen in evidence.never}
    if not events:
        yield "no event concerned a citizen without any consent"
    for n in evidence.notifications:
        if n.event_id in events:
            yield f"notification {n.notification_id} is about a citizen who never consented"
    for read in evidence.reads:
        for notification, case in read.shown:
            if evidence.citizen_of_case.get(case) in evidence.never:
                yield f"{read.reader} was shown {notification} about a citizen who never consented"


def _writes_of(evidence: Evidence) -> Iterable[tuple[Write, str]]:
    return ((write, permit_id) for write in evidence.writes for permit_id in write.permits)


def a1(evidence: Evidence) -> Verdict:
    """What the services decided is what the log holds: nothing twice, nothing missing, and it verifies from outside."""
    place = Counter((leaf.producer, leaf.generation, leaf.lane, leaf.number) for leaf in evidence.leaves)
    broken = [f"{count} leaves have the number {key}" for key, count in place.items() if key[3] and count > 1]
    written = set()
    for entry in evidence.entries:
        key = (entry.producer, entry.generation, entry.lane, entry.number)
        written.add(key)
        if entry.number is None:
            broken.append(f"entry {entry.entry_id} of {entry.producer} ({entry.type}) was never published")
        elif key not in place:
            broken.append(f"entry {entry.entry_id} of {entry.producer} ({entry.type}) is not in the log")
    lost = {key for key in place if key[3] and key not in written}
    broken += [
        f"the log has {key}, which nobody wrote" for key in lost if not (evidence.restored and key[0] == "advis")
    ]
    broken += _decisions(evidence)
    log = evidence.log
    broken += [*log.findings, *log.gaps] if log else ["the log was not verified"]
    outcomes = {e.objects.get("permit_id") for e in evidence.entries if e.type in _OUTCOMES}
    silent = [permit for name, permit in evidence.permits.items() if name not in outcomes]
    if not evidence.restored:
        broken += [f"permit {p.permit_id} ended by death without an entry" for p in silent if p.state == "dead"]
    counts = {
        "entries": len(evidence.entries),
        "leaves": len(evidence.leaves),
        "decisions": len(evidence.notifications),
        "verified leaves": log.leaves if log else 0,
        "permits whose outcome no database has": sum(p.state == "settled" for p in silent),
        "entries lost with the old database": len(lost),
    }
    return Verdict("A1", "every decision is in the log, once", counts, tuple(counts)[:4], broken)


_OUTCOMES = frozenset({"disclosure.made", "disclosure.not_sent", "disclosure.unknown"})


def _decisions(evidence: Evidence) -> Iterable[str]:
    created = Counter(e.entry_id for e in evidence.entries if e.type == "notification.created")
    for n in evidence.notifications:
        if created[n.decision_id] != 1:
            yield f"the decision of notification {n.notification_id} has {created[n.decision_id]} entries"
    received = Counter(e.objects.get("event_id") for e in evidence.entries if e.type == "event.received")
    for event_id in evidence.events:
        if received[event_id] != 1:
            yield f"event {event_id} was received {received[event_id]} times"


def a2(evidence: Evidence) -> Verdict:
    """Every disclosure was preceded by its permission, committed together with its record."""
    recorded = Counter(e.objects.get("permit_id") for e in evidence.entries if e.type == "disclosure.permitted")
    broken, checked = [], 0
    for write, permit_id in _writes_of(evidence):
        checked += 1
        permit = evidence.permits.get(permit_id)
        if permit is None or permit.committed_ns is None or permit.committed_ns > write.t:
            broken.append(f"permit {permit_id} was used at {write.t}, before it was committed")
        elif recorded[permit_id] != len(permit.epochs):
            broken.append(f"permit {permit_id} has {recorded[permit_id]} entries for {len(permit.epochs)} persons")
    counts = {"disclosures": checked, "entries of permission": sum(recorded.values())}
    return Verdict("A2", "every delivery after its record", counts, tuple(counts), broken)


def o1(evidence: Evidence) -> Verdict:
    """For each scope the order of the log is the order of its epochs."""
    epochs = {(*bump.scope, round(bump.at, 6)): bump.epoch for bump in evidence.bumps}
    place = {(leaf.producer, leaf.generation, leaf.lane, leaf.number): leaf.index for leaf in evidence.leaves}
    order: defaultdict[Scope, dict[int, int]] = defaultdict(dict)
    for entry in evidence.entries:
        index = place.get((entry.producer, entry.generation, entry.lane, entry.number))
        if entry.scope is None or entry.subject is None or index is None:
            continue
        scope = (entry.subject, *entry.scope)
        epoch = epochs.get((*scope, round(entry.at, 6)))
        if epoch is not None and entry.type in _ACTS:
            order[scope][epoch] = index
    broken, compared = [], 0
    for scope, found in order.items():
        in_order = sorted(found.items())
        for (older, first), (newer, second) in pairwise(in_order):
            compared += 1
            if first > second:
                broken.append(f"{scope}: epoch {newer} stands before {older} in the log")
    counts = {"scopes": len(order), "acts compared": compared}
    return Verdict("O1", "the log is in the order of the epochs", counts, tuple(counts), broken)


_ACTS = frozenset({"consent.granted", "consent.withdrawn", "refusal.recorded", "refusal.lifted"})


def d1(evidence: Evidence) -> Verdict:
    """No planted personal number or name is anywhere on the bus, in a doorbell, in a dead letter or in a log.

    And what nobody can handle was parked, once by each service that reads it.
    """
    broken = list(evidence.canaries)
    broken += misparked(evidence.poisoned, evidence.parked, evidence.set_back)
    counts = {f"bytes of {name}": size for name, size in evidence.searched.items()}
    counts |= {"poison records": len(evidence.poisoned), "parked": sum(evidence.parked.values())}
    needs = tuple(f"bytes of {name}" for name in ("topics", "doorbells", "logs"))
    poisoned = {topic for topic, _, _ in evidence.poisoned}
    missing = [f"poison on {topic}" for topic in TOPICS if POISON in evidence.asked and topic not in poisoned]
    return Verdict("D1", "no personal data outside", counts, needs, broken, missing)


def r1(evidence: Evidence) -> Verdict:
    """A withdrawal is answered within a second where nothing is wrong, and within lease and kill where something is."""
    hampered = [(fault.began_ns - 2 * S, fault.ended_ns + 2 * S) for fault in evidence.faults]
    outages = [(fault.began_ns, fault.ended_ns) for fault in evidence.faults if fault.outage]
    calm, all_s, broken = [], [], []
    for one in evidence.withdrawals:
        ended = one.answered_ns or evidence.ended_ns
        took_s = (ended - one.asked_ns) / S
        all_s.append(took_s)
        allowed_s = LEASE_S + MARGIN_S + KILL_S + _overlap(outages, one.asked_ns, ended) / S
        if took_s > allowed_s or one.answered_ns is None:
            broken.append(f"a withdrawal of {one.scope} took {took_s:.1f} s, {allowed_s:.1f} s were allowed")
        if one.scope[2] in evidence.prompt and not _overlap(hampered, one.asked_ns, ended):
            calm.append(took_s)
    grants = [(ended - asked) / S for asked, ended in evidence.grants if not _overlap(hampered, asked, ended)]
    p99, usual = _percentile(calm, 0.99), _percentile(grants, 0.99)
    if calm and p99 > CALM_P99_S + GRANTS * usual:
        broken.append(f"without faults p99 is {p99:.2f} s, that of a grant {usual:.2f} s")
    counts = {
        "withdrawals": len(all_s),
        "without faults": len(calm),
        "ms p99 of these": round(p99 * 1000),
        "ms p99 of a grant": round(usual * 1000),
        "s longest": round(max(all_s, default=0.0), 1),
    }
    return Verdict("T1", "withdrawals are answered in time", counts, tuple(counts)[:2], broken)


def _overlap(spans: Iterable[tuple[float, float]], begun: float, ended: float) -> float:
    """How long, in ns, any of the spans lay inside; overlapping spans count once."""
    total, reached = 0.0, begun
    for since, until in sorted(spans):
        first, last = max(since, reached), min(until, ended)
        if last > first:
            total, reached = total + last - first, last
    return total


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


INVARIANTS: tuple[Callable[[Evidence], Verdict], ...] = (s1, s2, s3, s4, s5, l1, a1, a2, o1, d1, r1)


def without_effect(evidence: Evidence) -> list[str]:
    """The faults that the run was to choose from and that it has not done: not dealt, or each time without effect."""
    dealt = {fault.name for fault in evidence.faults}
    done = {fault.name for fault in evidence.faults if fault.took_effect}
    return [
        f"{name} ({'dealt without effect' if name in dealt else 'never dealt'})"
        for name in evidence.asked
        if name not in done
    ]


def check(evidence: Evidence) -> list[Verdict]:
    """Every invariant, in order."""
    return [invariant(evidence) for invariant in INVARIANTS]
