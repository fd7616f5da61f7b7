"""What a proof's own report says: which invariant is broken, that all is well, or that nothing was decided.

A test that could not be set up, that ran out of time, or that met an exception which is not its assertion has decided
nothing. Of a liveness invariant running out of time *is* the violation.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.mutants.mutant import LIVENESS, Invariant, Proof

_ASSERTION = re.compile(r"^(AssertionError|assert\b|Failed: DID NOT RAISE)")
_NOT_PASSED = frozenset({"failure", "error", "skipped"})
_TOO_LATE = re.compile(r"^(Failed: Timeout|(\w+\.)*TimeoutError)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken`: the invariants that were found broken. `passed`: the proof ran and found nothing wrong at all.

    `by`: which test of the proof it was, or which run.
    """

    broken: tuple[Invariant, ...]
    passed: bool
    by: str
    words: str
    wrong: frozenset[str] = frozenset()  # the tests, without their parameters, that did not pass


def of_tests(report: Path, proof: Proof, words: str) -> Verdict:
    """The verdict of a pytest call by its JUnit report. Its failures decide what the proof says that they decide."""
    cases = list(ET.parse(report).getroot().iter("testcase"))
    failed = [(case, item.get("message") or "") for case in cases for item in case.iter("failure")]
    wrong = failed or [case for case in cases for item in case if item.tag in {"error", "skipped"}]
    decided = [(case, message) for case, message in failed if _decides(message, proof)]
    if not decided or proof.decides is None:
        names = frozenset(_node(case) for case in cases if any(item.tag in _NOT_PASSED for item in case))
        return Verdict((), passed=bool(cases) and not wrong, by="", words=words, wrong=names)
    case, message = decided[0]
    where = (case.get("classname") or "").rpartition(".")[2]
    test = (case.get("name") or "").partition("[")[0]  # without its parameters, which may be a test's personal number
    return Verdict((proof.decides,), passed=False, by=f"{where}.py::{test}", words=message[:200])


def _node(case: ET.Element) -> str:
    return f"{(case.get('classname') or '').replace('.', '/')}.py::{(case.get('name') or '').partition('[')[0]}"


def _decides(message: str, proof: Proof) -> bool:
    if _ASSERTION.match(message):
        return True
    if proof.decides in LIVENESS and _TOO_LATE.match(message):
        return True
    return any(re.match(rf"(\w+\.)*{name}\b", message) for name in proof.by)


def of_faults(report: Path, proof: Proof, words: str) -> Verdict:
    """The verdict of a fault run by its report: an invariant that had nothing to be decided over is not broken."""
    document = json.loads(report.read_text(encoding="utf-8"))
    names = {invariant.name: invariant for invariant in Invariant}
    found = [verdict for verdict in document["verdicts"] if verdict["broken"]]
    broken = tuple(names[verdict["name"]] for verdict in found)
    said = found[0]["broken"][0][:200] if found else words
    return Verdict(broken, passed=bool(document["held"]), by=str(proof), words=said)
