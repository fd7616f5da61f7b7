"""A mutant: one deliberate break of one rule, and the proofs that must notice it."""

from dataclasses import dataclass
from enum import StrEnum

from tests.builds import Edit


class Invariant(StrEnum):
    """What a break would break. S: safety; L: liveness; A: the record; O: order; D: data; R: time."""

    S1 = "S1 no doorbell rings after the 200"
    S2 = "S2 nothing is disclosed after the 200"
    S3 = "S3 no permit at an epoch that is not current, or without a decision that says yes"
    S4 = "S4 no 200 while an older permit is open"
    S5 = "S5 one notification, one webhook id, one body"
    L1 = "L1 what may be told is told, once, and nothing else leaves a trace"
    A1 = "A1 decisions are the records: none twice, none missing"
    A2 = "A2 every disclosure has its record before it"
    O1 = "O1 the trail is in the order of the epochs"
    D1 = "D1 no personal number outside consent"
    T1 = "T1 a withdrawal is answered in time"


LIVENESS = frozenset({Invariant.L1, Invariant.T1})


@dataclass(frozen=True, slots=True)
class Proof:
    """What is run against a mutant: tests by their node ids, or a fault run's own arguments.

    `decides`: the invariant that the tests' assertions are about; None where the run's own checker says which.
    `by`: exceptions, by name, that count as an assertion that failed: where the code itself refuses to go on in a
    broken world, or where what must come in the end never comes.
    """

    command: tuple[str, ...]
    decides: Invariant | None = None
    by: tuple[str, ...] = ()

    @classmethod
    def tests(cls, decides: Invariant, *node_ids: str, by: tuple[str, ...] = ()) -> "Proof":
        """These tests: the mutant is caught when one of them fails, not when one cannot be run."""
        return cls(("pytest", *node_ids), decides, by)

    @classmethod
    def faults(cls, *arguments: str) -> "Proof":
        """A directed fault run: the mutant is caught when its checker finds a violation."""
        return cls(("faults", *arguments))

    @property
    def nodes(self) -> tuple[str, ...]:
        """The tests' node ids; none for a fault run."""
        return self.command[1:] if self.command[0] == "pytest" else ()

    def __str__(self) -> str:
        kind, *rest = self.command
        shown = [item.rpartition("/")[2] for item in rest] if kind == "pytest" else rest
        return f"{'fault run ' if kind == 'faults' else ''}{' '.join(shown)}"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`rule`: what is broken, in words. `proofs` are tried in order, the cheapest first, until one catches it."""

    name: str
    rule: str
    invariant: Invariant
    edits: tuple[Edit, ...]
    proofs: tuple[Proof, ...]
