"""Every rule, promise, story and document that a reader meets is explained in the repository (docs/rules.md)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from openapi.rules import table
from tests.architecture.tree import parsed, tracked
from tests.tree import ROOT

TEXT = [
    path
    for path in tracked()
    if path.suffix in {".py", ".md", ".yaml", ".json", ".example", ".toml", ".template"} and path.name != "rules.md"
]
NUMBER = re.compile(r"\b[RPU][1-9][0-9]?\b")
DOCUMENT = re.compile(r"[\w./-]*\w\.md\b")
LINE = re.compile(r"\b(00[0-4]):([0-9]+)")
PLACES = sorted({place for rule in table().numbered.values() for place in (*rule.code, *rule.tests)})


def _texts(pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    for path in TEXT:
        yield from ((path, found) for found in pattern.finditer((ROOT / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("place", PLACES)
def test_what_keeps_a_rule_exists(place: str) -> None:
    path, _, name = place.partition("::")
    assert (ROOT / path).exists()
    if name:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert name in {node.name for node in ast.walk(parsed(Path(path))) if isinstance(node, kinds)}


def test_code_is_never_named_without_a_test() -> None:
    assert not [number for number, rule in table().numbered.items() if bool(rule.code) != bool(rule.tests)]


def test_a_number_that_stands_anywhere_is_explained() -> None:
    assert not {f"{path}: {found[0]}" for path, found in _texts(NUMBER) if found[0] not in table().numbered}


def test_a_document_that_is_named_anywhere_is_in_the_repository() -> None:
    known = tuple(f"/{path}" for path in tracked())
    missing = {
        f"{path}: {found[0]}"
        for path, found in _texts(DOCUMENT)
        if not any(name.endswith("/" + found[0].lstrip("./")) for name in known)
    }
    assert not missing


def test_a_line_of_the_municipalitys_documents_that_is_cited_exists() -> None:
    page = (ROOT / "docs" / "municipality.md").read_text(encoding="utf-8")
    lengths = {file: int(lines) for file, lines in re.findall(r"^\| (00[0-4]) \|.*\| ([0-9]+) \|$", page, re.MULTILINE)}
    assert sorted(lengths) == ["000", "001", "002", "003", "004"]
    assert not {f"{path}: {found[0]}" for path, found in _texts(LINE) if int(found[2]) > lengths[found[1]]}


@pytest.mark.parametrize("law", table().laws)
def test_a_law_is_the_source_of_a_rule(law: str) -> None:
    assert [number for number, rule in table().numbered.items() if law in rule.source]
