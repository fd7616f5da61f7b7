"""Test builds: a copy of the tree with exact-text edits, so that the product carries no hook for any test.

`build(folder, edits)` copies what a running system needs and changes it; whoever runs with `environment(folder)` runs
that copy and nothing of the original. An edit whose text does not stand in its file exactly once is an error: code
that has moved on must break the build, not make its test vacuous.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.tree import ROOT

COPIED = ("services", "libs", "deploy", "tests")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


class EditError(Exception):
    """The text to be replaced does not stand exactly once in its file."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `old` by `new` in `file`, a path relative to the root such as `services/advis/doorbells/sender.py`."""

    file: str
    old: str
    new: str


def build(target: Path, edits: Iterable[Edit], *, source: Path = ROOT) -> Path:
    """Copy the tree at `source` to the new folder `target` and make the edits, in order; returns `target`.

    Raises EditError, and SyntaxError where an edit leaves something that is not Python. Nothing is left behind then.
    """
    try:
        for name in COPIED:
            shutil.copytree(source / name, target / name, ignore=_LEFT_OUT)
        for edit in edits:
            apply(target / edit.file, edit)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def environment(target: Path) -> Mapping[str, str]:
    """What a process needs to run the build, whatever its working directory is; add it to its environment."""
    return {"PYTHONPATH": str(target), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def apply(file: Path, edit: Edit) -> None:
    """Make one edit in `file`. Raises EditError, SyntaxError."""
    text = file.read_text(encoding="utf-8")
    found = text.count(edit.old)
    if found != 1:
        raise EditError(f"{edit.file}: the text to replace stands there {found} times: {edit.old[:80]!r}")
    changed = text.replace(edit.old, edit.new)
    if file.suffix == ".py":
        compile(changed, str(file), "exec")
    file.write_text(changed, encoding="utf-8")
