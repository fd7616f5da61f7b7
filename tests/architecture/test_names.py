"""One public class of a name in a service: whoever reads `Withdrawal` knows which one is meant."""

import ast

import pytest

from tests.architecture.tree import SERVICES, parsed, python_files

# Names that two classes still share, and how many share them at most.
SHARED = {
    ("consent", "Answer"): 2,
    ("consent", "Request"): 3,
}


def _classes(service: str) -> dict[str, list[str]]:
    """Public name → the files that define a class of that name at their top."""
    found: dict[str, list[str]] = {}
    for path in python_files("services"):
        for node in parsed(path).body if path.parts[1] == service else ():
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path))
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_no_two_public_classes_of_a_service_have_one_name(service: str) -> None:
    shared = {name: files for name, files in _classes(service).items() if len(files) > 1}
    assert {name: files for name, files in shared.items() if len(files) > SHARED.get((service, name), 1)} == {}


def test_no_name_is_excused_that_one_class_has() -> None:
    for (service, name), at_most in SHARED.items():
        assert len(_classes(service).get(name, ())) == at_most, f"{name}: lower the number"
