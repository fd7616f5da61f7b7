"""A pattern that decides is anchored by `fullmatch`: in Python `$` also matches before a line feed at the end.

`"bif101\\n"` would be another employee. Pydantic's `pattern=` has another engine, in which `$` is the end; that it is
the one in use, and that each of our patterns refuses a line feed, is tried in `tests/contract/test_text_doors.py`.
"""

import ast
from pathlib import Path

import pytest

from tests.architecture.tree import parsed, python_files

# Patterns that search in text and do not validate it; a line feed at its end changes nothing for them.
SEARCHES_TEXT = {
    ("services/consent/catalogue/readability.py", r"[.!?:;][\"'”»)\]]*$"),
}
OF_THE_FRAMEWORK = {"path_regex"}  # Starlette's own, by which it finds a route
_MATCHING = ("match", "search", "compile", "findall", "finditer", "split", "sub", "subn")


def _pattern(call: ast.Call) -> str | None:
    """The text of the pattern that a call to `re` is given, where it can be read."""
    parts = [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)] if call.args else []
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if texts else None


def _calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]


def unanchored(tree: ast.Module, file: str) -> list[str]:
    """What validates with `$`, or with a `match` that the end of the text does not bound."""
    found = []
    for call in _calls(tree):
        assert isinstance(call.func, ast.Attribute)
        owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
        pattern = _pattern(call) if owner == "re" and call.func.attr in _MATCHING else None
        if pattern and pattern.endswith("$") and (file, pattern) not in SEARCHES_TEXT:
            found.append(f"{file}:{call.lineno}: {pattern} ends in $: use fullmatch")
        receiver = getattr(call.func.value, "attr", None)
        if call.func.attr == "match" and receiver not in OF_THE_FRAMEWORK:
            found.append(
                f"{file}:{call.lineno}: match leaves the end open: use fullmatch, or search where text is read"
            )
    return found


@pytest.mark.parametrize("path", python_files("services", "libs", "openapi"), ids=str)
def test_what_validates_is_matched_whole(path: Path) -> None:
    assert unanchored(parsed(path), str(path)) == []


@pytest.mark.parametrize(
    "code",
    [
        're.compile(r"^[a-z]{1,8}[0-9]{1,8}$")',
        're.search("[0-9]$", text)',
        're.match(r"[a-z]+", text)',
        "_NAME.match(text)",
        'if re.compile(rf"{_UUID}$").search(text): ...',
    ],
)
def test_the_rule_sees_a_pattern_that_a_line_feed_passes(code: str) -> None:
    assert unanchored(ast.parse(code), "x.py")


@pytest.mark.parametrize("code", ['re.compile(r"[a-z]+").fullmatch(text)', 're.search("[0-9]+ måned", text)'])
def test_and_lets_the_others_be(code: str) -> None:
    assert not unanchored(ast.parse(code), "x.py")


def test_every_exception_still_exists() -> None:
    texts = {
        (str(path), _pattern(call))
        for path in python_files("services", "libs")
        for call in _calls(parsed(path))
        if isinstance(call.func, ast.Attribute) and call.func.attr == "compile"
    }
    assert texts >= SEARCHES_TEXT
