"""What a run costs while it goes on: memory of each process now and then, and how long calls took, early and late."""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.cli.running.system import System
from tests.faults.history import Line

LOOK_S = 10.0
PARTS = 3  # a run is compared by its thirds
_TIMED = ("withdraw", "grant", "read", "emit")
_MS = 1_000_000  # ns


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of one process (RSS, bytes) at one moment (`t`, monotonic seconds)."""

    process: str
    pid: int
    t: float
    rss: int


def memory(system: System) -> list[Memory]:
    """Of every process of ours that runs now."""
    now = time.monotonic()
    found = [(name, pid) for name in system.processes for pid in system.pids(name)]
    return [Memory(name, pid, now, rss) for name, pid in found if (rss := _rss(pid))]


def _rss(pid: int) -> int:
    """Bytes; 0 when there is no such process any more."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


def grown(samples: Iterable[Memory]) -> list[dict[str, int | str]]:
    """For the report: each process's memory when first and last looked at, and the most; a restart is a new line."""
    lives: defaultdict[tuple[str, int], list[Memory]] = defaultdict(list)
    for sample in samples:
        lives[sample.process, sample.pid].append(sample)
    return [
        {
            "process": name,
            "pid": pid,
            "seconds": round(seen[-1].t - seen[0].t),
            "before": seen[0].rss,
            "after": seen[-1].rss,
            "most": max(sample.rss for sample in seen),
        }
        for (name, pid), seen in lives.items()
    ]


def latencies(lines: Sequence[Line]) -> list[dict[str, int | str]]:
    """For the report: p50 and p99 in ms of each kind of call that was answered, in each third of the run."""
    began, ended = min(line.get("asked", line["t"]) for line in lines), lines[-1]["t"] + 1
    took: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for line in lines:
        if line["op"] in _TIMED and line["phase"] == "ok" and "asked" in line:
            third = PARTS * (line["asked"] - began) // (ended - began)
            took[line["op"], third].append(line["t"] - line["asked"])
    return [
        {"call": op, "third": third + 1, "calls": len(all_), "p50_ms": _share(all_, 0.5), "p99_ms": _share(all_, 0.99)}
        for (op, third), all_ in sorted(took.items())
    ]


def _share(values: Sequence[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] // _MS
