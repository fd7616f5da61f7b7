"""Where the time goes: the statements of one act with what each took, and the functions that burnt the processor.

Taken in our own process, over the same database, one act after another: no queueing is in it.
"""

import cProfile
import io
import pstats
from collections import defaultdict
from collections.abc import Awaitable, Callable
from statistics import median

from tests.bench.grants import Grants
from tests.bench.replay import Statement

ROUNDS = 40
LINES = 12


async def of_grant(grants: Grants) -> str:
    """A grant's profile as text."""
    return await _profile("one grant", grants.statements)


async def _profile(name: str, work: Callable[[], Awaitable[list[Statement]]]) -> str:
    took: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(5):
        await work()
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(ROUNDS):
        for place, statement in enumerate(await work()):
            took[f"{place:2} {' '.join(statement.query.split())[:84]}"].append(statement.took_ms)
    profiler.disable()
    out = io.StringIO()
    stats = pstats.Stats(profiler, stream=out)
    stats.strip_dirs().sort_stats("tottime").print_stats(LINES)
    table = [line for line in out.getvalue().splitlines() if line.strip()]
    rows = [f"{median(times):6.2f} ms  {query}" for query, times in took.items()]
    total = sum(median(times) for times in took.values())
    return "\n".join([f"{name}: {len(rows)} round trips, {total:.1f} ms of it waiting for them", *rows, "", *table[2:]])
