"""One mechanism for each repeated shape: how many pairs of places of the consent service are of one shape.

The budget only goes down. `python -m tests.architecture.test_shapes` prints the pairs, the longest first.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.architecture.shapes import LINES_MIN, Pair, pairs
from tests.architecture.tree import ROOT, python_files

PAIRS_MAX = 106
PAIRS_AIM = 99
"""Half of what was counted before the packages."""


def _found() -> list[Pair]:
    files = [path for path in python_files("services") if path.parts[1] == "consent" and "migrations" not in path.parts]
    return pairs({path: (ROOT / path).read_text(encoding="utf-8") for path in files})


def _listed(found: list[Pair]) -> str:
    return "\n".join(f"{one.lines:3} lines: {one} and {other}" for one, other in found)


def test_few_places_repeat_the_shape_of_another() -> None:
    found = _found()
    assert len(found) <= PAIRS_MAX, f"{len(found)} pairs:\n{_listed(found)}"


def _function(name: str, lines: int) -> str:
    return f"def {name}(x):\n" + "".join(f"    {name}{n} = x.{name}({n})\n" for n in range(lines))


def _pairs_of(texts: Mapping[str, str]) -> list[tuple[int, int]]:
    return [(one.lines, other.lines) for one, other in pairs({Path(name): text for name, text in texts.items()})]


def test_two_functions_that_differ_in_names_and_constants_are_a_pair() -> None:
    assert _pairs_of({"a.py": _function("one", 8), "b.py": _function("other", 8)}) == [(9, 9)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_function("one", LINES_MIN - 2), _function("other", LINES_MIN - 2)),
        (_function("one", 8), _function("other", 8).replace("= x.", "= await x.")),
        (_function("one", 8), _function("other", 8).replace("x.", "")),
    ],
    ids=["too short", "another keyword", "another form"],
)
def test_and_what_is_short_or_of_another_form_is_none(one: str, other: str) -> None:
    assert not _pairs_of({"a.py": one, "b.py": other})


def test_a_long_list_of_like_lines_is_one_place() -> None:
    assert _pairs_of({"a.py": _function("one", 20), "b.py": _function("other", 30)}) == [(21, 21)]


def test_docstrings_comments_and_empty_lines_are_of_no_place() -> None:
    told = _function("one", 8).replace("(x):\n", '(x):\n    """Told.\n\n    At length."""\n\n    # why\n')
    assert _pairs_of({"a.py": told, "b.py": _function("other", 8)}) == [(9, 9)]


if __name__ == "__main__":
    print(_listed(_found()))
