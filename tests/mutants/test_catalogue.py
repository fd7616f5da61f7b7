"""The catalogue fits the tree as it is now: code that moves on breaks this, and not silently a mutant."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.builds import ROOT, apply
from tests.mutants.catalogue import EVENTS, FENCE, MUTANTS
from tests.mutants.mutant import Invariant, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_edit_fits_once_changes_something_and_leaves_python(mutant: Mutant, tmp_path: Path) -> None:
    for edit in mutant.edits:
        copy = tmp_path / edit.file
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / edit.file).read_bytes())
        apply(copy, edit)
    assert all((tmp_path / edit.file).read_bytes() != (ROOT / edit.file).read_bytes() for edit in mutant.edits)


def test_the_product_alone_is_broken_and_never_a_proof_of_it() -> None:
    assert {edit.file.partition("/")[0] for mutant in MUTANTS for edit in mutant.edits} <= {"services", "libs"}


def test_names_are_unique_and_of_one_form() -> None:
    names = Counter(mutant.name for mutant in MUTANTS)
    assert [name for name, count in names.items() if count > 1 or not re.fullmatch("[a-z]+(-[a-z]+)*", name)] == []
    assert len({mutant.rule for mutant in MUTANTS}) == len(MUTANTS)


def test_every_mutant_that_is_asked_for_is_there() -> None:
    names = {mutant.name for mutant in MUTANTS}
    assert {*EVENTS.values(), *FENCE.values()} <= names
    assert (len(set(EVENTS.values())), len(set(FENCE.values()))) == (13, 14)


def test_every_invariant_is_broken_by_some_mutant() -> None:
    assert {mutant.invariant for mutant in MUTANTS} == set(Invariant)


def test_some_proof_of_each_mutant_decides_what_it_breaks() -> None:
    for mutant in MUTANTS:
        assert any(proof.decides in {None, mutant.invariant} for proof in mutant.proofs), mutant.name


def test_every_proof_is_a_test_that_is_there() -> None:
    nodes = {node for mutant in MUTANTS for proof in mutant.proofs for node in proof.nodes}
    written: dict[str, set[str]] = {}
    for file in {node.partition("::")[0] for node in nodes}:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        written[file] = {item.name for item in tree.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    missing = [node for node in nodes if node.partition("::")[2] not in written[node.partition("::")[0]]]
    assert missing == []
