"""Whether a run's figures stay flat: pure, samples in, one line for each figure out.

What a process holds must not grow with time. What is written down is kept for its term, so it grows with what is done,
and must not grow faster. The beginning of a run is left out: caches and pools fill once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression

FLAT_S_MIN = 540.0  # of load, before the word *flat* is said of a whole run: ten minutes, less one look at either end
LOOKS_MIN = 6
WARM_SHARE = 0.25  # of a figure's looks: left out
GROWN_SHARE = 0.1  # what is held may grow by a tenth over the whole run, or by the tolerance of its unit
TOLERANCES = {"MB": 10.0, "rows": 100.0}
FASTER = 1.25  # the second half's rows for each act, over the first half's
ROWS_MIN = 200  # written in a half, before two rates are compared


@dataclass(frozen=True, slots=True)
class Look:
    """All figures at one moment. `t`: monotonic s. `acts`: calls that actors had made. By name: a value."""

    t: float
    acts: int
    held: Mapping[str, float]  # MB of a process's life, or rows that wait
    written: Mapping[str, float]  # rows


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure. `rates`: per minute where it is held; rows for 1,000 acts, in each half, where it is written."""

    figure: str
    unit: str
    first: float
    last: float
    rates: tuple[float, ...]
    verdict: str  # `flat`, `grows`, `as the work`, `faster than the work`, `too few looks`

    @property
    def is_good(self) -> bool:
        """Whether nothing is to be said against it."""
        return self.verdict not in {"grows", "faster than the work"}


def trends(looks: Sequence[Look]) -> list[Trend]:
    """Every figure of the looks, those that grow too much first."""
    held = {name: None for look in looks for name in look.held}
    written = {name: None for look in looks for name in look.written}
    found = [_of_held(name, _warm([look for look in looks if name in look.held])) for name in held]
    found += [_of_written(name, _warm([look for look in looks if name in look.written])) for name in written]
    return sorted(found, key=lambda trend: (trend.is_good, trend.unit, -trend.last, trend.figure))


def summary(found: Sequence[Trend], load_s: float) -> str:
    """One sentence about all of them, after so many seconds of load."""
    minutes = f"{load_s / 60:.1f} minutes of load"
    if bad := [trend.figure for trend in found if not trend.is_good]:
        return f"not flat over {minutes}: {', '.join(bad)}"
    if load_s < FLAT_S_MIN or not found:
        return f"too short to say whether it is flat: {minutes} of {FLAT_S_MIN / 60:.0f}; nothing grows so far"
    return f"flat over {minutes}: {len(found)} figures"


def is_grown(found: Sequence[Trend], load_s: float) -> bool:
    """Whether something was not flat in a run that was long enough to say so."""
    return load_s >= FLAT_S_MIN and any(not trend.is_good for trend in found)


def _warm(looks: Sequence[Look]) -> Sequence[Look]:
    return looks[int(len(looks) * WARM_SHARE) :]


def _of_held(name: str, looks: Sequence[Look]) -> Trend:
    unit = "MB" if name.startswith("memory ") else "rows"
    values = [look.held[name] for look in looks]
    if len(looks) < LOOKS_MIN:
        return Trend(name, unit, values[0], values[-1], (), "too few looks")
    slope = linear_regression([look.t / 60 for look in looks], values).slope
    grown = slope * (looks[-1].t - looks[0].t) / 60
    allowed = max(GROWN_SHARE * fmean(values), TOLERANCES[unit])
    return Trend(name, unit, values[0], values[-1], (slope,), "grows" if grown > allowed else "flat")


def _of_written(name: str, looks: Sequence[Look]) -> Trend:
    values = [look.written[name] for look in looks]
    middle = len(looks) // 2
    if len(looks) < LOOKS_MIN or looks[middle].acts == looks[0].acts or looks[-1].acts == looks[middle].acts:
        return Trend(name, "rows", values[0], values[-1], (), "too few looks")
    early, late = values[middle] - values[0], values[-1] - values[middle]
    rates = (
        1000 * early / (looks[middle].acts - looks[0].acts),
        1000 * late / (looks[-1].acts - looks[middle].acts),
    )
    faster = late > ROWS_MIN and rates[1] > FASTER * rates[0]
    return Trend(name, "rows", values[0], values[-1], rates, "faster than the work" if faster else "as the work")
