"""Every fault: what it does to the world and how it takes it back. Each says in a few words what came of it."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg

from libs.cli.running.system import StartError
from tests.faults import bus_faults, probe, restore
from tests.faults.evidence import NoEffectError
from tests.faults.instrument import ABOUT_SOMEBODY, FAIL_POINTS, STOPPABLE
from tests.faults.poison import Place
from tests.faults.world import World

ARMED_S = 10.0  # how long a fail point waits to be reached
STOPPED_S = 15.0  # beyond lease, margin and a kill: a holder that still lives by then was not fenced
PAUSED_S = 7.0  # beyond the lease
READY_S = 50.0
LOOK_S = 0.05
_TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND random() < 0.6"
HOLDERS = ("advis-api", "advis-worker")
CLOCKS = ("advis-api", "advis-worker", "advis-consumer", "consent-api", "audit-consumer")
WIRES = ("postgres", "kafka", "consent")
TROUBLES = (
    ("latency", 0.05),
    ("reset", 0.0),
    ("cut", 20_000.0),
    ("half_open", 0.0),
    ("stall_up", 0.0),
    ("stall_down", 0.0),
)


@dataclass
class Scene:
    """The world, and what the faults leave for the checker."""

    world: World
    contended: tuple[str, ...] = ()  # borger_ids whose consents end all the time
    backup: Path | None = None
    poisoned: list[Place] = field(default_factory=list)
    set_back: Counter[str] = field(default_factory=Counter)  # how often a service's position on the bus went back
    restored_ns: list[int] = field(default_factory=list)


Run = Callable[[Scene, random.Random], Awaitable[str]]


@dataclass(frozen=True)
class Fault:
    """`outage`: consent or its database cannot answer meanwhile. `alone`: no other at the same time."""

    name: str
    run: Run
    outage: bool = False
    alone: bool = False

    @property
    def family(self) -> str:
        """`kill at`, `stop at`, `wire kafka` …: what it does, without where."""
        words = self.name.split()
        return " ".join(words[: 2 if words[1:2] == ["at"] or words[0] == "wire" else 1]) if len(words) > 1 else words[0]


async def _ready(scene: Scene, *names: str) -> str:
    try:
        await scene.world.system.ready(*names, timeout_s=READY_S)
    except StartError as error:
        return f"; {str(error).splitlines()[0]}"
    return ""


async def _kill(scene: Scene, _rng: random.Random, name: str) -> str:
    try:
        pids = await scene.world.system.kill(name)
    except ProcessLookupError:
        raise NoEffectError("was not running") from None
    return f"pid {pids[0]}" + await _ready(scene, name)


async def _stop(scene: Scene, _rng: random.Random, name: str) -> str:
    pids = scene.world.system.pids(name)
    if not pids:
        raise NoEffectError("was not running")
    os.kill(pids[0], signal.SIGSTOP)
    held_s = await _held(pids[0], STOPPED_S if name in HOLDERS else PAUSED_S)
    return held_s + await _ready(scene, name)


async def _held(pid: int, longest_s: float) -> str:
    """Waits with a stopped process until it is killed, or wakes it."""
    began = time.monotonic()
    while time.monotonic() - began < longest_s:
        if _state(pid) in {"", "Z", "X"}:
            return f"fenced after {time.monotonic() - began:.1f} s"
        await asyncio.sleep(LOOK_S)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return f"woken after {longest_s:.0f} s"


def _state(pid: int) -> str:
    """One letter as in proc(5): T stopped, Z dead and not reaped; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


async def _point(scene: Scene, _rng: random.Random, name: str, act: str) -> str:
    folder = scene.world.records / probe.POINTS
    armed, draft = folder / f"{name}.{act}", folder / f".draft.{name}.{act}"
    # Stopped while it discloses what somebody is about to end, so that a withdrawal has to have it killed.
    draft.write_text("\n".join(scene.contended) if name in ABOUT_SOMEBODY and act == "STOP" else "")
    draft.rename(armed)
    end = time.monotonic() + ARMED_S
    while armed.exists() and time.monotonic() < end:
        await asyncio.sleep(LOOK_S)
    with suppress(FileNotFoundError):
        armed.unlink()
        raise NoEffectError("not reached")
    taken = next(path for path in folder.iterdir() if path.name.startswith(f".{name}.{act}."))
    pid = int(taken.name.rpartition(".")[2])
    taken.unlink()
    how = f"pid {pid}" if act == "KILL" else await _held(pid, STOPPED_S)
    await asyncio.sleep(0.3)  # until the supervisor has seen it
    return how + await _ready(scene)


async def _broker(scene: Scene, rng: random.Random) -> str:
    await scene.world.grounds.ask("kafka-kill")
    away_s = rng.uniform(0.5, 3.0)
    await asyncio.sleep(away_s)
    await scene.world.grounds.ask("kafka-start")
    return f"away {away_s:.1f} s and a start"


async def _postgres(scene: Scene, rng: random.Random) -> str:
    await scene.world.grounds.ask("pg-stop")
    away_s = rng.uniform(0.1, 1.5)
    await asyncio.sleep(away_s)
    await scene.world.grounds.ask("pg-start")
    return f"away {away_s:.1f} s and a recovery" + await _ready(scene)


async def _backends(scene: Scene, rng: random.Random, service: str) -> str:
    ended = 0
    with suppress(OSError, asyncpg.PostgresError):
        session = await asyncpg.connect(scene.world.database("postgres"))
        try:
            for _ in range(4):
                ended += await session.fetchval(_TERMINATE, service)
                await asyncio.sleep(rng.uniform(0.2, 0.8))
        finally:
            await session.close()
    if not ended:
        raise NoEffectError("no session was there")
    return f"{ended} sessions"


async def _wire(scene: Scene, rng: random.Random, name: str, kind: str, value: float) -> str:
    match = rng.choice(("", "advis", "consent", "audit")) if name == "postgres" else ""
    held_s = rng.uniform(1.5, 5.0)
    wires = scene.world.wires
    await wires.ask({"op": "fault", "name": name, "kind": kind, "value": value, "match": match})
    try:
        await asyncio.sleep(held_s)
    finally:
        await asyncio.shield(wires.ask({"op": "heal", "name": name}))
    return f"{match or 'everybody'} for {held_s:.1f} s"


async def _clock(scene: Scene, rng: random.Random) -> str:
    name, shift_s = rng.choice(CLOCKS), rng.choice((-120, 120))
    file = scene.world.records / probe.CLOCKS / name
    file.write_text(str(shift_s))
    await asyncio.sleep(rng.uniform(3.0, 6.0))
    file.unlink()
    return f"{name} by {shift_s} s"


async def heal(scene: Scene) -> None:
    """Takes back whatever may be left, and returns when every process does its work."""
    for armed in (scene.world.records / probe.POINTS).iterdir():
        armed.unlink(missing_ok=True)
    for name in WIRES:
        await scene.world.wires.ask({"op": "heal", "name": name})
    for name in scene.world.system.processes:
        for pid in scene.world.system.pids(name):
            if _state(pid) == "T":
                os.kill(pid, signal.SIGCONT)
    await scene.world.system.ready(timeout_s=READY_S)


def every() -> tuple[Fault, ...]:
    """All there are."""
    roles = [f"{service}-{role}" for service in ("consent", "advis", "audit") for role in ("api", "consumer", "relay")]
    kills = [*roles, "consent-worker", "advis-worker", "audit-worker"]
    return (
        *(Fault(f"kill {name}", partial(_kill, name=name), outage=name == "consent-api") for name in kills),
        *(
            Fault(
                f"kill at {name}",
                partial(_point, name=name, act="KILL"),
                outage=FAIL_POINTS[name].startswith("consent"),
            )
            for name in FAIL_POINTS
        ),
        *(Fault(f"stop at {name}", partial(_point, name=name, act="STOP")) for name in STOPPABLE),
        *(Fault(f"stop {name}", partial(_stop, name=name)) for name in (*HOLDERS, "advis-consumer", "consent-relay")),
        Fault("stop consent-api", partial(_stop, name="consent-api"), outage=True),
        Fault("broker", _broker),
        Fault("postgres", _postgres, outage=True, alone=True),
        *(
            Fault(f"backends {name}", partial(_backends, service=name), outage=name == "consent")
            for name in ("consent", "advis", "audit")
        ),
        *(
            Fault(f"wire {name} {kind}", partial(_wire, name=name, kind=kind, value=value), outage=name == "postgres")
            for name in WIRES
            for kind, value in TROUBLES
        ),
        Fault("clock", _clock),
        *(Fault(name, run) for name, run in bus_faults.every().items()),
        Fault("restore", restore.restore, alone=True),
    )
