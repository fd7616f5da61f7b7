"""What counts as caught, and what does not."""

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from tests.mutants.mutant import Invariant, Proof
from tests.mutants.verdict import of_faults, of_tests

S4, A1, T1 = Invariant.S4, Invariant.A1, Invariant.T1
RUN = Proof.faults("--seed", "7")


def junit(folder: Path, *items: tuple[str, str]) -> Path:
    cases = "".join(
        f"<testcase classname='tests.x.a' name='t[6]'><{kind} message={quoteattr(said)}/></testcase>"
        for kind, said in items
    )
    report = folder / "tests.xml"
    report.write_text(f"<testsuites><testsuite>{cases}<testcase name='good'/></testsuite></testsuites>")
    return report


@pytest.mark.parametrize(
    ("decides", "by", "said", "caught"),
    [
        (S4, (), "assert not True", True),
        (S4, (), "AssertionError: it did not wait\nassert not True", True),
        (S4, (), "Failed: DID NOT RAISE HolderDeadError", True),
        (S4, (), "Failed: Timeout (>240.0s) from pytest-timeout.", False),
        (S4, (), "TimeoutError", False),
        (T1, (), "Failed: Timeout (>240.0s) from pytest-timeout.", True),
        (T1, (), "TimeoutError", True),
        (A1, ("TimeoutError",), "TimeoutError", True),
        (S4, (), "NameError: name 'replace' is not defined", False),
        (S4, ("IsolationError",), "services.consent.scopes.store.IsolationError: the fence needs it", True),
        (S4, ("IsolationError",), "KeyError: 'IsolationError'", False),
    ],
)
def test_only_a_failed_assertion_decides(
    tmp_path: Path, decides: Invariant, by: tuple[str, ...], said: str, caught: bool
) -> None:
    verdict = of_tests(junit(tmp_path, ("failure", said)), Proof.tests(decides, "a.py::t", by=by), "words")
    assert (verdict.broken, verdict.by) == (((decides,), "a.py::t") if caught else ((), ""))
    assert not verdict.passed


def test_what_could_not_be_set_up_or_was_skipped_has_neither_passed_nor_caught(tmp_path: Path) -> None:
    for kind in ("error", "skipped"):
        verdict = of_tests(junit(tmp_path, (kind, "assert False")), Proof.tests(S4, "a.py::t"), "words")
        assert (verdict.broken, verdict.passed) == ((), False)
    assert of_tests(junit(tmp_path), Proof.tests(S4, "a.py::t"), "words").passed


def test_a_fault_run_says_itself_what_is_broken_and_nothing_to_decide_is_not(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    undecided = {"name": "S4", "broken": [], "held": False}
    report.write_text(json.dumps({"held": False, "verdicts": [undecided, {"name": "A1", "broken": ["two leaves"]}]}))
    assert of_faults(report, RUN, "words").broken == (A1,)
    report.write_text(json.dumps({"held": False, "verdicts": [undecided]}))
    assert (of_faults(report, RUN, "words").broken, of_faults(report, RUN, "words").passed) == ((), False)
