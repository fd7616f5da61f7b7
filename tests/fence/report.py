"""Writes `docs/fence-model.md` from a run of the model: `python -m tests.fence.report`."""

from collections.abc import Iterator
from functools import cache

from tests.fence.checker import Result, search
from tests.fence.designs import BUILT, CONTROL, SMALL, UNSAFE, Unsafe
from tests.fence.model import Bounds, Design
from tests.tree import ROOT

PAGE = ROOT / "docs" / "fence-model.md"

_HEAD = """\
# The fence's model: what was searched, and what the unsafe designs do

Written by `python -m tests.fence.report`; a test holds this page to what a run finds. The protocol is in
[fence.md](fence.md), the model in `tests/fence/model.py`, the designs in `tests/fence/designs.py`.

The model takes every step of the protocol in every order: requests and answers are late, lost or delivered twice, a
sender stops for any length of time between two instructions, processes crash and are started anew, a lease runs out
at any moment, the citizen consents anew, renews and withdraws again. Nothing in it is timed, so nothing in it is safe
because it is fast. Searched to the end, in each world:

1. no byte of a disclosure leaves after the `200` of the withdrawal that ended what it rests on (P1), none without a
   yes, and none of what arrived before a break;
2. nothing is refused while the citizen's yes is unbroken since the event arrived (P3);
3. from every state `200` is within reach without another fault, and without a kill where no process has died.

A model is not the code. The same acts and the same oracle drive the code in `tests/fence/test_stateful.py`.

## As it is built

| world | states | found |
|---|---|---|
"""
_UNSAFE = """
Were nothing able to happen between the look at the lease, the write and the leaving, time alone would do: that design
holds in the model ({states} states), and no process can be made that way.

## Designs that do not hold

Each differs from what is built in one thing. The steps are a shortest way to what is wrong.
"""


@cache
def built(bounds: Bounds) -> Result:
    return search(Design(), bounds)


@cache
def unsafe(case: Unsafe) -> Result:
    return search(case.design, case.bounds)


@cache
def control() -> Result:
    return search(CONTROL, SMALL)


def section(case: Unsafe) -> str:
    """One unsafe design, what it breaks, and how."""
    result = unsafe(case)
    steps = "".join(f"{number}. {name}\n" for number, name in enumerate(result.trace, 1))
    return f"\n### {case.name[0].upper()}{case.name[1:]}\n\n**{result.wrong}**, after\n\n{steps}"


def page() -> str:
    """The whole page, from a run."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    for world, bounds in BUILT.items():
        result = built(bounds)
        yield f"| {world} | {result.states:,} | {result.wrong or 'holds'} |\n"
    yield _UNSAFE.format(states=f"{control().states:,}")
    for case in UNSAFE:
        yield section(case)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
