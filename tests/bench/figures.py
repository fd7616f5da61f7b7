"""The figures: each beside its ceiling, measured in the same run, in turn, so that both meet the same machine.

A goal is a ratio (`docs/benchmarks.md` says where each comes from), or a time where the protocol's own waits are meant.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from statistics import median

from tests.bench.decisions import ROW, Decisions
from tests.bench.grants import Grants
from tests.bench.load import Call, Sample, closed_loop, middle
from tests.bench.permits import Permits, withdrawn_from_a_hung_holder, withdrawn_under_open_permits
from tests.bench.replay import pgbench
from tests.bench.world import World

REPEATS = 3
PGBENCH_S_MIN = 3.0  # its clients connect and prepare in that time too
PAUSE_REPEATS = 10  # of what is measured one at a time


@dataclass(frozen=True)
class Figure:
    """One line of the report. `met`: None where there is no goal."""

    name: str
    ours: str
    ceiling: str
    ratio: str
    goal: str
    met: bool | None


@dataclass(frozen=True)
class Bench:
    """The parts that are measured, over one world."""

    world: World
    grants: Grants
    permits: Permits
    decisions: Decisions
    seconds: float

    async def beside(self, call: Call, sql: str, callers: int) -> tuple[Sample, Sample]:
        """Our call and the same SQL in pgbench, in turn, so many times; the middle one of each."""
        ours, ceilings = [], []
        for _ in range(REPEATS):
            ours.append(await closed_loop(call, callers=callers, seconds=self.seconds))
            ceilings.append(
                await pgbench(
                    self.world.database_url,
                    sql,
                    self.world.folder,
                    clients=callers,
                    seconds=max(PGBENCH_S_MIN, self.seconds),
                )
            )
        return middle(ours), middle(ceilings)


def _per_second(sample: Sample) -> str:
    return f"{sample.rate:,.0f}/s, p50 {sample.percentile(50):.1f} ms, p99 {sample.percentile(99):.1f} ms"


def _tail(sample: Sample) -> str:
    return f"p99 = {sample.percentile(99) / sample.percentile(50):.1f} × p50"


async def grants(bench: Bench) -> AsyncIterator[Figure]:
    """A grant over HTTP, signed receipt and all, against its own SQL."""
    sql = await bench.grants.sql()
    for callers, goal in ((1, None), (16, 0.6), (64, 1.0)):
        ours, ceiling = await bench.beside(bench.grants.grant, sql, callers)
        ratio = ours.rate / ceiling.rate
        yield Figure(
            f"grant over HTTP, {callers} at a time ({_tail(ours)})",
            *(_per_second(ours), f"{ceiling.rate:,.0f}/s", f"{ratio:.2f}"),
            *("" if goal is None else f"≥ {goal} of pgbench", None if goal is None else ratio >= goal),
        )


async def withdrawals(bench: Bench) -> AsyncIterator[Figure]:
    """A withdrawal with nothing in flight, against a grant of the same run."""
    for callers in (1, 16):
        given, taken = [], []
        for _ in range(REPEATS):
            given.append(await closed_loop(bench.grants.grant, callers=callers, seconds=bench.seconds))
            taken.append(await closed_loop(bench.grants.withdraw, callers=callers, seconds=bench.seconds / 2))
        grant, withdrawal = middle(given), middle(taken)
        ratio = withdrawal.percentile(99) / grant.percentile(99)
        yield Figure(
            f"withdrawal, nothing in flight, {callers} at a time",
            *(_per_second(withdrawal), f"a grant: {_per_second(grant)}", f"p99 {ratio:.2f} ×"),
            *("p99 ≤ 1.5 × a grant's", ratio <= 1.5),
        )


async def waits(bench: Bench) -> AsyncIterator[Figure]:
    """A withdrawal while permits are open: what it adds to the slowest settle, and what a hung holder costs."""
    for count in (1, 10, 100):
        added = [await withdrawn_under_open_permits(bench.permits, count) for _ in range(PAUSE_REPEATS)]
        yield Figure(
            f"withdrawal with {count} open permit{'s' if count > 1 else ''} that settle in time",
            *(
                f"answered {median(added):.0f} ms after the last settle (most {max(added):.0f})",
                "the slowest settle",
                "",
            ),
            *("≤ 50 ms later", max(added) <= 50),
        )
    hung = [await withdrawn_from_a_hung_holder(bench.permits) for _ in range(3)]
    yield Figure(
        "withdrawal with a hung holder, killed when it is ordered",
        *(f"{median(hung) / 1000:.2f} s (most {max(hung) / 1000:.2f})", "lease 5 s", ""),
        *("≤ lease + 2 s", max(hung) <= 7_000),
    )


async def permits(bench: Bench) -> AsyncIterator[Figure]:
    """Permits acquired and settled over HTTP in batches, against the same SQL."""
    for size in (1, 10, 100):
        sql = await bench.permits.sql(size)
        ours, ceiling = await bench.beside(lambda size=size: bench.permits.pair(size), sql, 4)
        ratio = ours.rate / (ceiling.rate * size)
        yield Figure(
            f"permits acquired and settled, batches of {size}, 4 at a time",
            *(_per_second(ours), f"{ceiling.rate * size:,.0f}/s", f"{ratio:.2f}"),
            *("≥ 10,000/s" if size == 100 else "", ours.rate >= 10_000 if size == 100 else None),
        )


async def decisions(bench: Bench) -> AsyncIterator[Figure]:
    """A single opinion over HTTP against a prepared select of the row; and a hundred in one call."""
    for callers in (1, 16, 64):
        ours, ceiling = await bench.beside(bench.decisions.one, ROW, callers)
        ratio = ours.rate / ceiling.rate
        yield Figure(
            f"one decision over HTTP, on the record, {callers} at a time ({_tail(ours)})",
            *(_per_second(ours), f"{ceiling.rate:,.0f}/s", f"{ratio:.2f}"),
            *("≥ 0.30 of pgbench's prepared select" if callers == 16 else "", ratio >= 0.3 if callers == 16 else None),
        )
    ours, ceiling = await bench.beside(bench.decisions.hundred, ROW, 4)
    yield Figure(
        "decisions over HTTP, batches of 100, on the record, 4 at a time",
        *(_per_second(ours), f"{ceiling.rate:,.0f} rows/s", f"{ours.rate / ceiling.rate:.2f}"),
        *("≥ 100,000/s", ours.rate >= 100_000),
    )


# In this order: what is withdrawn by the last two is not there any more to be disclosed.
SUITES: dict[str, Callable[[Bench], AsyncIterator[Figure]]] = {
    "permits": permits,
    "decisions": decisions,
    "grants": grants,
    "withdrawals": withdrawals,
    "waits": waits,
}
