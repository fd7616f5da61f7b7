"""A test build is the tree with its edits, is what runs, and refuses an edit that does not fit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builds import Edit, EditError, build, environment
from tests.faults.instrument import EDITS

FILE = "services/advis/notifications/doorbell.py"
OLD = "GONE = 410"


def test_a_process_runs_the_build_and_not_the_original(tmp_path: Path) -> None:
    target = build(tmp_path / "b", [Edit(FILE, OLD, "GONE = 411")])
    program = (
        "from services.advis.notifications import doorbell as d; import libs; print(d.GONE, d.__file__, libs.__file__)"
    )
    told = {**os.environ, **environment(target)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    code, *files = done.stdout.split()
    assert code == "411"
    assert all(Path(file).is_relative_to(target) for file in files)
    assert (target / "deploy" / "reference" / "units.yaml").exists()


@pytest.mark.parametrize("old", ["GONE = 409", "import"], ids=["absent", "twice"])
def test_an_edit_must_fit_exactly_once(tmp_path: Path, old: str) -> None:
    with pytest.raises(EditError, match="times"):
        build(tmp_path / "b", [Edit(FILE, old, "x")])
    assert not (tmp_path / "b").exists()


def test_an_edit_must_leave_python(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError):
        build(tmp_path / "b", [Edit(FILE, OLD, "GONE = (")])


def test_edits_follow_each_other(tmp_path: Path) -> None:
    edits = [Edit(FILE, OLD, "GONE = 411"), Edit(FILE, "GONE = 411", "GONE = 412")]
    assert "GONE = 412" in (build(tmp_path / "b", edits) / FILE).read_text()


def test_the_fault_runs_edits_fit_the_tree(tmp_path: Path) -> None:
    """Code that moves on must take its fail points and its recorder with it."""
    assert (build(tmp_path / "b", EDITS) / "tests" / "faults" / "probe.py").exists()
