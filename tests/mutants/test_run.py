"""A test that fails without a break is run again, alone; one that fails twice decides nothing about its own mutants."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.mutants import run
from tests.mutants.mutant import Invariant, Mutant, Proof
from tests.mutants.run import ProofError, check_unbroken
from tests.mutants.verdict import Verdict, of_tests

GOOD, BUSY, BROKEN = (Proof.tests(Invariant.S4, f"tests/x/test_{name}.py::t[1]") for name in ("good", "busy", "broken"))
MUTANTS = [Mutant(proof.nodes[0], "a rule", Invariant.S4, (), (proof,)) for proof in (GOOD, BUSY, BROKEN)]
PASSED = Verdict((), passed=True, by="", words="")


def _failed(*nodes: str) -> Verdict:
    return Verdict((), passed=False, by="", words="assert False", wrong=frozenset(nodes))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, ...], Verdict | ProofError]:
    """What each call of pytest says, by its nodes; PASSED where nothing else is said."""
    said: dict[tuple[str, ...], Verdict | ProofError] = {}

    def _run(proof: Proof, *_: object) -> tuple[Verdict, float]:
        verdict = said.get(proof.nodes, PASSED)
        if isinstance(verdict, ProofError):
            raise verdict
        return verdict, 1.0

    monkeypatch.setattr(run, "_run", _run)
    monkeypatch.setattr(run, "_built", lambda _edits: nullcontext(Path()))
    return said


def _sound() -> list[Proof]:
    return [proof for checked in check_unbroken(MUTANTS, {}) if checked.is_sound for proof in checked.proofs]


def test_all_pass_in_one_call(answers) -> None:
    assert not answers
    assert [checked.proofs for checked in check_unbroken(MUTANTS, {})] == [(GOOD, BUSY, BROKEN)]


def test_what_fails_in_the_crowd_and_not_alone_is_sound(answers) -> None:
    every = tuple(node for mutant in MUTANTS for proof in mutant.proofs for node in proof.nodes)
    answers[every] = _failed("tests/x/test_busy.py::t", "tests/x/test_broken.py::t")
    answers[BROKEN.nodes] = _failed("tests/x/test_broken.py::t")
    assert _sound() == [GOOD, BUSY]


def test_a_call_that_says_nothing_is_followed_by_one_for_each(answers) -> None:
    every = tuple(node for mutant in MUTANTS for proof in mutant.proofs for node in proof.nodes)
    answers[every] = ProofError("did not end")
    answers[BUSY.nodes] = ProofError("did not end either")
    assert _sound() == [GOOD, BROKEN]


def test_the_report_names_what_did_not_pass(tmp_path: Path) -> None:
    report = tmp_path / "tests.xml"
    report.write_text(
        "<testsuites><testsuite>"
        "<testcase classname='tests.x.test_a' name='t[6]'><failure message='assert False'/></testcase>"
        "<testcase classname='tests.x.test_b' name='t'/>"
        "<testcase classname='tests.x.test_c' name='u'><error message='x'/></testcase>"
        "</testsuite></testsuites>"
    )
    verdict = of_tests(report, Proof(("pytest", "tests/x")), "words")
    assert verdict.wrong == {"tests/x/test_a.py::t", "tests/x/test_c.py::u"}
    assert not verdict.passed
