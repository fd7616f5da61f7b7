"""Law 6: sizes and names. A file or function over budget is split by noun, never excused."""

import ast
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, parsed, python_files

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
POSITIONAL_MAX = 4
COMMON_FILES_MAX = 48
COMMON_LINES_MAX = 9_000
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "manager", "core"}

OURS = python_files("services", "libs", "openapi")


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", OURS + python_files("tests"), ids=str)
def test_a_file_fits_on_a_few_screens(path: Path) -> None:
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    limit = FILE_LINES_MAX if path.parts[0] != "tests" else FILE_LINES_MAX * 2
    assert lines <= limit, f"{path} has {lines} lines: split it by noun"


@pytest.mark.parametrize("path", OURS, ids=str)
def test_a_function_fits_on_one_screen(path: Path) -> None:
    long = {
        node.name: lines
        for node in _functions(path)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
        and "migrations" not in path.parts
    }
    assert not long, f"{path}: {long}"


@pytest.mark.parametrize("path", OURS, ids=str)
def test_more_than_four_arguments_are_named(path: Path) -> None:
    wide = [
        node.name
        for node in _functions(path)
        if len([a for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in {"self", "cls"}]) > POSITIONAL_MAX
        and not _is_endpoint(node)
    ]
    assert not wide, f"{path}: {wide}"


def _is_endpoint(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """FastAPI passes by name whatever we write, so a decorated endpoint is exempt."""
    return any(isinstance(d, ast.Call) and isinstance(d.func, ast.Attribute) for d in node.decorator_list)


def test_no_module_is_a_drawer() -> None:
    drawers = [path for path in OURS if FORBIDDEN_NAMES & {*path.with_suffix("").parts}]
    assert not drawers


def test_shared_plumbing_stays_small() -> None:
    common = [path for path in OURS if path.parts[:2] == ("libs", "common")]
    assert len(common) <= COMMON_FILES_MAX, "admission is the second real use"
    lines = sum(len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in common)
    assert lines <= COMMON_LINES_MAX, f"libs/common has {lines} lines"


def test_no_file_is_empty() -> None:
    assert not [path for path in OURS if not (ROOT / path).read_text(encoding="utf-8").strip()]
