"""One fault run from beginning to end: calm, faults, quiet, evidence."""

import asyncio
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.status import Status

from libs.common.database.database import FAILURES
from tests.faults import faults, gather, restore
from tests.faults.actors import CONTENDED, EVENTS, Company
from tests.faults.aftermath import bus_records, final_inboxes, searched, until_quiet, verified, waiting
from tests.faults.cast import GaveUpError
from tests.faults.checker import QUIET_S
from tests.faults.evidence import Evidence
from tests.faults.faults import Fault, Scene
from tests.faults.growth import growth, sizes
from tests.faults.habits import everybody
from tests.faults.history import History
from tests.faults.load import LOOK_S, Memory, grown, latencies, memory
from tests.faults.nemesis import Nemesis
from tests.faults.trend import Look, trends
from tests.faults.world import World, a_world

CALM_S = 15.0
TELL_S = 10.0  # between two lines where no terminal shows the progress
FINISH_S = 120.0  # for actors who finish what they have begun
HTTP_S = 15.0


@dataclass
class Plan:
    """What to do. `kinds`: the faults to choose from; none: a run without."""

    seed: int
    seconds: float
    kinds: tuple[Fault, ...]
    keep: Path | None = None
    calm_s: float = CALM_S


@dataclass
class Outcome:
    """What came of it. `problem`: why the run itself could not be brought to its end."""

    evidence: Evidence
    problem: str = ""
    phases: list[tuple[str, float]] = field(default_factory=list)


async def run(plan: Plan, console: Console) -> Outcome:
    """Start the world, break it, gather what is left. Bounded in time; cleans up behind itself."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=40)
    async with a_world(console) as world, httpx2.AsyncClient(timeout=HTTP_S, limits=limits) as http:
        try:
            return await _in(world, http, plan, console)
        finally:
            if plan.keep is not None:
                await asyncio.to_thread(_keep, world, plan.keep)


async def _in(world: World, http: httpx2.AsyncClient, plan: Plan, console: Console) -> Outcome:
    history = History(world.records / "history.jsonl")
    company = Company(http, world.system, history, random.Random(plan.seed))
    await company.bring_on()
    begun = await sizes(world)
    scene = Scene(world, tuple({company.borger[key.citizen] for key in CONTENDED}))
    nemesis = Nemesis(scene, random.Random(plan.seed), plan.kinds)
    acting = asyncio.create_task(everybody(company))
    telling = asyncio.create_task(_tell(console, company, nemesis, world))
    looks: list[Look] = []
    samples: list[Memory] = []
    began = time.monotonic()
    sampling = asyncio.create_task(_sample(world, history, samples, looks))
    problem = ""
    try:
        await _while_all_act(acting, asyncio.sleep(plan.calm_s))
        scene.backup = await restore.back_up(world)
        if plan.kinds:
            await _while_all_act(acting, nemesis.haunt(plan.seconds))
        else:
            await _while_all_act(acting, asyncio.sleep(plan.seconds))
        ended = time.monotonic()
        company.over.set()
        async with asyncio.timeout(FINISH_S):
            await acting
        for source in EVENTS:
            await company.emit(source, company.events_about_everybody(source))
    except (GaveUpError, AssertionError, TimeoutError, ExceptionGroup) as error:
        problem = f"the actors could not go on: {_reason(error)}"
        ended = time.monotonic()
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
        telling.cancel()
        sampling.cancel()
        await faults.heal(scene)
    outcome = await _gathered(world, http, company, (scene, nemesis, ended, problem))
    outcome.evidence.growth = growth(begun, await sizes(world))
    outcome.evidence.memory = grown([*samples, *memory(world.system)])
    outcome.evidence.latencies = latencies(history.lines)
    outcome.evidence.trends, outcome.evidence.load_s = trends(looks), ended - began
    return outcome


async def _while_all_act(acting: "asyncio.Task[None]", work: object) -> None:
    """Do the work while the actors act; an actor that cannot go on ends it at once."""
    working = asyncio.ensure_future(work)  # type: ignore[call-overload]
    await asyncio.wait({acting, working}, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        acting.result()
    working.result()


async def _gathered(
    world: World, http: httpx2.AsyncClient, company: Company, done: tuple[Scene, Nemesis, float, str]
) -> Outcome:
    scene, nemesis, ended, problem = done
    settled_s, unsettled, inboxes = await _settled(world, company, ended)
    evidence = gather.of_histories(company)
    gather.add_records(evidence, world.records)
    await gather.add_rows(evidence, world)
    gather.add_rings(evidence, world.receivers, scene.restored_ns)
    evidence.final_inbox, evidence.settled_s, evidence.unsettled = inboxes, settled_s, unsettled
    evidence.faults, evidence.asked = nemesis.lines, [kind.name for kind in nemesis.kinds]
    evidence.log = await verified(world, http)
    evidence.poisoned, evidence.set_back = scene.poisoned, scene.set_back
    evidence.canaries, evidence.searched, evidence.parked = await searched(world)
    company.history.close()
    return Outcome(evidence, problem)


async def _settled(world: World, company: Company, ended: float) -> tuple[float | None, str, dict[str, list[str]]]:
    """How long it took to become quiet, or what was not; and what every inbox then shows."""
    deadline = ended + QUIET_S
    left = await until_quiet(world, deadline)
    inboxes: dict[str, list[str]] = {}
    try:
        async with asyncio.timeout(2 * QUIET_S):
            inboxes = await final_inboxes(company)  # what is refused now is cancelled by being looked for
            left = left or await until_quiet(world, deadline)
            inboxes = await final_inboxes(company)
    except (GaveUpError, TimeoutError) as error:
        left = left or f"the inboxes: {type(error).__name__}"
    took_s = time.monotonic() - ended
    late = await until_quiet(world, time.monotonic() + QUIET_S)  # what the last look wrote must reach the log
    return (None if left else took_s), left or late, inboxes


async def _sample(world: World, history: History, samples: list[Memory], looks: list[Look]) -> None:
    """Looks at every figure now and then; a look that a fault prevents is left out."""
    lives: defaultdict[str, list[int]] = defaultdict(list)
    while True:
        now = memory(world.system)
        samples += now
        held = {f"memory {_life(lives[one.process], one)}": one.rss / 2**20 for one in now}
        acts = sum(history.count(op, "invoke") for op in ("grant", "withdraw", "emit", "read"))
        with suppress(KafkaError, TimeoutError, *FAILURES):
            async with asyncio.timeout(LOOK_S):
                rows = {table: float(size.rows) for table, size in (await sizes(world)).items()}
                held |= await waiting(world)
                looks.append(Look(time.monotonic(), acts, held, rows | await bus_records(world)))
        await asyncio.sleep(LOOK_S)


def _life(pids: list[int], one: Memory) -> str:
    """`advis-api`, and after it was killed `advis-api #2`."""
    if one.pid not in pids:
        pids.append(one.pid)
    return one.process if pids[0] == one.pid else f"{one.process} #{pids.index(one.pid) + 1}"


async def _tell(console: Console, company: Company, nemesis: Nemesis, world: World) -> None:
    """What goes on, on one line that changes, or a line now and then where there is no terminal."""
    began = time.monotonic()
    status = Status("", console=console)
    if console.is_terminal:
        status.start()
    told = 0.0
    try:
        while True:
            await asyncio.sleep(0.5)
            passed = time.monotonic() - began
            text = f"{passed:5.0f} s  {_counted(company, world, nemesis)}"
            if console.is_terminal:
                status.update(text)
            elif passed - told >= TELL_S:
                told = passed
                console.print(text, highlight=False, soft_wrap=True)
    finally:
        status.stop()


def _counted(company: Company, world: World, nemesis: Nemesis) -> str:
    count = company.history.count
    parts: Iterable[str] = (
        f"{count('grant')} grants",
        f"{count('withdraw')} withdrawals",
        f"{count('emit')} batches",
        f"{count('read')} reads",
        f"{len(world.receivers.rings)} rings",
        f"{len(nemesis.lines)} faults",
    )
    return ", ".join(parts) + f"  [{'; '.join(nemesis.under_way) or 'calm'}]".replace("[", "(").replace("]", ")")


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {str(error)[:300]}"


def _keep(world: World, folder: Path) -> None:

    shutil.copytree(world.records, folder / "records", dirs_exist_ok=True)
    shutil.copytree(world.system.log_dir, folder / "logs", dirs_exist_ok=True)
