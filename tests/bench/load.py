"""A closed loop: so many callers, each beginning its next call when the last one is answered; and what that gave."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Sample:
    """`units` done in `seconds`, and each call's latency in ms, in order of ending."""

    seconds: float
    units: int
    latencies_ms: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds

    def percentile(self, share: int) -> float:
        """The latency in ms that `share` of a hundred calls did not exceed."""
        if len(self.latencies_ms) < 2:
            return self.latencies_ms[0]
        return quantiles(self.latencies_ms, n=100, method="inclusive")[share - 1]


Call = Callable[[], Awaitable[int]]


async def closed_loop(call: Call, *, callers: int, seconds: float, warm_up: int = 5) -> Sample:
    """Run `call`, which answers how many units it did, by `callers` at a time for `seconds`."""
    for _ in range(warm_up):
        await call()
    latencies: list[float] = []
    done = 0
    begun = time.perf_counter()
    end = begun + seconds

    async def go_on() -> None:
        nonlocal done
        while time.perf_counter() < end:
            asked = time.perf_counter()
            units = await call()  # added in a step of its own: other callers go on meanwhile
            done += units
            latencies.append((time.perf_counter() - asked) * 1000)

    await asyncio.gather(*(go_on() for _ in range(callers)))
    return Sample(time.perf_counter() - begun, done, tuple(latencies))


def middle(samples: list[Sample]) -> Sample:
    """The sample whose rate is the median one: the lower of the two middle ones where their number is even."""
    wanted = median([item.rate for item in samples])
    return max((item for item in samples if item.rate <= wanted), key=lambda item: item.rate)
