"""Brings a run's evidence together: histories, records of the test build, the databases' rows, the bus, the logs."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from tests.faults import probe
from tests.faults.actors import CERTAIN, EVENTS, NEVER, PURPOSE, READERS, Company
from tests.faults.evidence import (
    Bump,
    Closed,
    End,
    Entry,
    Event,
    Evidence,
    Leaf,
    Notification,
    Permit,
    Read,
    Registered,
    Ring,
    Scope,
    Withdrawal,
    Write,
)
from tests.faults.history import Line
from tests.faults.receivers import Receivers
from tests.faults.world import World

FOREVER_NS = 2**62
LATE_S, POLL_S = 30.0, 0.5  # for the last entry to reach the log
HEARS = {"domus": ("BIF-JOBINDSATS", "BIF-KANTEN", "BIF-YDELSE"), "fasit": ("SOF-BCV",)}
PROMPT = frozenset({"BIF-JOBINDSATS", "SOF-BCV"})  # nobody there is slow to take what they get
_ENTRIES = "SELECT event_id, type, lane, generation, number, payload FROM outbox WHERE lane < 16"
_PERMITS = (
    "SELECT permit_id::text, state, extract(epoch FROM acquired_at)::float8 AS opened_at,"
    " extract(epoch FROM ended_at)::float8 AS ended_at FROM permit WHERE notification_id IS NOT NULL"
)
_WITHDRAWALS = (
    "SELECT w.withdrawal_id::text, extract(epoch FROM w.registered_at)::float8 AS registered_at,"
    " extract(epoch FROM w.drained_at)::float8 AS drained_at, s.borger_id::text, s.purpose, s.recipient_unit, s.epoch"
    " FROM withdrawal w JOIN withdrawal_scope s USING (withdrawal_id)"
)
_COVERAGE = "SELECT borger_id::text, purpose, recipient_unit, holder_unit, category, since_epoch FROM coverage"
_NOTIFICATIONS = (
    "SELECT notification_id::text, event_id, recipient_unit, purpose, holder_unit, reveals, state, decision_id::text"
    " FROM notification"
)


def of_histories(company: Company) -> Evidence:
    """What the actors saw."""
    lines = company.history.lines
    events = {
        event_id: Event(event_id, subject)
        for line in lines
        if line["op"] == "emit" and line["phase"] == "ok"
        for event_id, subject, _ in line["events"]
    }
    heard = {EVENTS[source][0]: frozenset(units) for source, units in HEARS.items()}
    wanted = {
        event_id: heard[kind]
        for line in lines
        if line["op"] == "emit" and line["phase"] == "ok"
        for event_id, _, kind in line["events"]
        if kind in heard
    }
    steady = {(company.borger[key.citizen], PURPOSE, key.recipient) for key in CERTAIN}
    return Evidence(
        withdrawals=[*_withdrawals(lines)],
        closed=[*_closed(lines)],
        reads=[_read(line) for line in lines if line["op"] == "read" and line["phase"] == "ok"],
        citizen_of_case={case: company.borger[name] for (name, _), case in company.cases.items()},
        events=events,
        wanted=wanted,
        never=frozenset({company.borger[NEVER]}),
        steady=frozenset(steady),
        prompt=PROMPT,
        grants=[(line["asked"], line["t"]) for line in lines if line["op"] == "grant" and line["phase"] == "ok"],
        began_ns=lines[0]["t"],
        ended_ns=lines[-1]["t"],
    )


def _scope(line: Line) -> Scope:
    return line["borger"], line["purpose"], line["recipient"]


def _withdrawals(lines: Iterable[Line]) -> Iterable[Withdrawal]:
    ended = {line["asked"]: line for line in lines if line["op"] == "withdraw" and line["phase"] == "ok"}
    for line in lines:
        if line["op"] == "withdraw" and line["phase"] == "invoke":
            ok = ended.get(line["t"])
            yield Withdrawal(_scope(line), line["t"], ok and ok["t"], ok and ok["withdrawal"])


def _closed(lines: Iterable[Line]) -> Iterable[Closed]:
    since: dict[Scope, int] = {}
    for line in lines:
        if line["op"] == "withdraw" and line["phase"] == "ok":
            since.setdefault(_scope(line), line["t"])
        elif line["op"] == "grant" and line["phase"] == "invoke" and _scope(line) in since:
            yield Closed(_scope(line), since.pop(_scope(line)), line["t"])
    yield from (Closed(scope, at, FOREVER_NS) for scope, at in since.items())


def _read(line: Line) -> Read:
    shown = tuple((item[0], item[1]) for item in line["shown"])
    return Read(line["actor"], line["unit"], line["asked"], line["t"], shown)


def add_records(evidence: Evidence, folder: Path) -> None:
    """What the test build wrote down inside the product's processes."""
    answers: defaultdict[str, list[frozenset[tuple[str, str]]]] = defaultdict(list)
    bumps, writes, ends = [], [], []
    epochs: dict[str, dict[Scope, int]] = {}
    committed: dict[str, int] = {}
    for line in _lines(folder / probe.RECORDS):
        match line["k"]:
            case "bump":
                bumps += [Bump((b, p, r), epoch, line["at"]) for b, p, r, epoch in line["scopes"]]
            case "permit":
                epochs[line["permit"]] = {(b, p, r): epoch for b, p, r, epoch in line["scopes"]}
            case "committed":
                for permit in line["permits"]:
                    committed.setdefault(permit, line["t"])
            case "arrival":
                answers[line["event"]].append(frozenset((o[0], o[1]) for o in line["openings"]))
            case "write":
                writes.append(Write(line["t"], line["kind"], tuple(line["permits"]), line.get("doorbell")))
            case "end":
                ends.append(End(line["t"], tuple(line.get("permits", ())), line["reach"]))
    evidence.bumps, evidence.writes, evidence.ends = bumps, writes, ends
    evidence.permits = {
        permit: Permit(permit, scopes, 0.0, "unknown", None, committed.get(permit)) for permit, scopes in epochs.items()
    }
    evidence.events = {
        event_id: replace(event, openings=tuple(answers[event_id])) for event_id, event in evidence.events.items()
    }


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            yield json.loads(text)


async def add_rows(evidence: Evidence, world: World) -> None:
    """What the databases hold at the end."""
    consent, advis, audit = await asyncio.gather(*(_connected(world, name) for name in ("consent", "advis", "audit")))
    try:
        found = {row["permit_id"]: row for row in await consent.fetch(_PERMITS)}
        evidence.permits = {
            name: replace(
                permit,
                opened_at=found[name]["opened_at"],
                state=found[name]["state"],
                ended_at=found[name]["ended_at"],
            )
            for name, permit in evidence.permits.items()
            if name in found
        }
        epochs = await consent.fetch("SELECT borger_id::text, purpose, recipient_unit, epoch FROM scope")
        last = {(row[0], row[1], row[2]): row[3] for row in epochs}
        evidence.bumps = [bump for bump in evidence.bumps if bump.epoch <= last.get(bump.scope, 0)]
        evidence.registered = _registered(await consent.fetch(_WITHDRAWALS))
        coverage = {tuple(row)[:5]: row[5] for row in await consent.fetch(_COVERAGE)}
        evidence.notifications = [_notification(row, coverage) for row in await advis.fetch(_NOTIFICATIONS)]
        bells = await advis.fetch("SELECT doorbell_id::text, notification_id::text FROM doorbell")
        evidence.notification_of_doorbell = {row[0]: row[1] for row in bells}
        evidence.entries, evidence.leaves = await _log({"consent": consent, "advis": advis, "audit": audit})
    finally:
        for session in (consent, advis, audit):
            await session.close()


async def _log(sessions: Mapping[str, asyncpg.Connection]) -> tuple[list[Entry], list[Leaf]]:
    """What the outboxes hold, and then the leaves: look-ups that were repeated are told a minute after the last one."""
    end = time.monotonic() + LATE_S
    while True:
        entries = [
            _entry(producer, row) for producer, session in sessions.items() for row in await session.fetch(_ENTRIES)
        ]
        rows = await sessions["audit"].fetch("SELECT leaf_index, producer, generation, lane, number, type FROM leaf")
        leaves = [Leaf(*row) for row in rows]
        there = {(leaf.producer, leaf.generation, leaf.lane, leaf.number) for leaf in leaves}
        late = [one for one in entries if (one.producer, one.generation, one.lane, one.number) not in there]
        if not late or time.monotonic() > end:
            return entries, leaves
        await asyncio.sleep(POLL_S)


async def _connected(world: World, service: str) -> asyncpg.Connection:
    return await asyncpg.connect(world.database(service))


def _registered(rows: Iterable[Any]) -> dict[str, Registered]:
    found: dict[str, Registered] = {}
    for row in rows:
        scope = (row["borger_id"], row["purpose"], row["recipient_unit"])
        known = found.get(row["withdrawal_id"])
        epochs = {**(known.epochs if known else {}), scope: row["epoch"]}
        found[row["withdrawal_id"]] = Registered(row["withdrawal_id"], epochs, row["registered_at"], row["drained_at"])
    return found


def _notification(row: Any, coverage: Mapping[Any, int]) -> Notification:
    covered = all(
        coverage.get(
            (told["borger_id"], row["purpose"], row["recipient_unit"], row["holder_unit"], told["category"]), 2**63
        )
        <= told["epoch"]
        for told in json.loads(row["reveals"])
    )
    return Notification(
        row["notification_id"],
        row["event_id"],
        row["recipient_unit"],
        row["purpose"],
        row["state"],
        covered,
        row["decision_id"],
    )


def _entry(producer: str, row: Any) -> Entry:
    said = json.loads(row["payload"])
    objects = {name: said["objects"][name] for name in ("permit_id", "event_id") if name in said.get("objects", {})}
    purposes = said.get("purposes") or []
    scope = (purposes[0], said["unit"]) if len(purposes) == 1 and said.get("unit") else None
    at = _seconds(said["occurred_at"])
    named = (row["event_id"], producer, row["generation"], row["lane"], row["number"], row["type"])
    return Entry(*named, said.get("subject"), at, objects, scope)


def _seconds(text: str) -> float:

    return datetime.fromisoformat(text).timestamp()


def add_rings(evidence: Evidence, receivers: Receivers, restored_ns: list[int]) -> None:
    """What reached the receivers, and in which life of advis's database."""
    evidence.restored = len(restored_ns)
    evidence.rings = [
        Ring(ring.at_ns, ring.unit, ring.webhook_id, ring.body_sha256, sum(at < ring.at_ns for at in restored_ns))
        for ring in receivers.rings
    ]


__all__ = ["READERS", "add_records", "add_rings", "add_rows", "of_histories"]
