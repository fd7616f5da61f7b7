"""Searches a model to its end, breadth first, so that a trace found is a shortest one."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fence.model import FAULTS, KILL, Bounds, Design, State, start, steps, tidied


@dataclass
class Result:
    """What a search found. `trace`: the steps to the first thing wrong. `seen`: every step that happened anywhere."""

    states: int
    seen: frozenset[str]
    wrong: str = ""
    trace: tuple[str, ...] = ()


@dataclass
class _Graph:
    """Every state by its number, how it was first reached, and what leads to it."""

    numbers: dict[State, int] = field(default_factory=dict)
    first: list[tuple[int, str]] = field(default_factory=list)
    before: list[list[tuple[int, str]]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def add(self, state: State, reached: tuple[int, str]) -> bool:
        if state in self.numbers:
            return False
        self.numbers[state] = len(self.first)
        self.first.append(reached)
        self.before.append([])
        return True

    def result(self, wrong: str = "", trace: tuple[str, ...] = ()) -> Result:
        return Result(len(self.first), frozenset(self.seen), wrong, trace)

    def trace(self, number: int) -> tuple[str, ...]:
        names: list[str] = []
        while number:
            number, name = self.first[number]
            names.append(name)
        return tuple(reversed(names))


def search(design: Design, bounds: Bounds, *, tidy: Callable[[State, Design], State] = tidied) -> Result:
    """Every state that can be reached. Stops at the first wrong step; else asks whether `200` stays within reach."""
    graph = _Graph()
    first = tidy(start(bounds), design)
    graph.add(first, (0, ""))
    queue = deque([first])
    missing = FAULTS - bounds.faults
    while queue:
        state = queue.popleft()
        number = graph.numbers[state]
        for step in steps(state, design, bounds):
            if step.kind in missing:
                continue
            graph.seen.add(step.name)
            if step.wrong:
                return graph.result(step.wrong, (*graph.trace(number), step.name))
            after = tidy(step.after, design)
            if graph.add(after, (number, step.name)):
                queue.append(after)
            if step.kind not in FAULTS:
                graph.before[graph.numbers[after]].append((number, step.kind))
    return _stuck(graph)


def _stuck(graph: _Graph) -> Result:
    """`200` is within reach of every state without another fault, and without a kill where nobody has died."""
    answered = [number for state, number in graph.numbers.items() if not _waits(state)]
    for wrong, kinds, states in (
        ("200 can never be reached", {"", KILL}, graph.numbers),
        ("200 can be reached by a kill only", {""}, (state for state in graph.numbers if _all_run(state))),
    ):
        within = _backwards(graph, answered, kinds)
        for state in states:
            if graph.numbers[state] not in within:
                return graph.result(wrong, graph.trace(graph.numbers[state]))
    return graph.result()


def _backwards(graph: _Graph, goals: list[int], kinds: set[str]) -> set[int]:
    within, stack = set(goals), list(goals)
    while stack:
        for number, kind in graph.before[stack.pop()]:
            if kind in kinds and number not in within:
                within.add(number)
                stack.append(number)
    return within


def _waits(state: State) -> bool:
    return any(scope.waiting for scope in state.scopes)


def _all_run(state: State) -> bool:
    return all(holder.runs for holder in state.holders)
