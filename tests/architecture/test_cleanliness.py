"""What may never be committed: registry addresses, machine paths, secrets, personal numbers, leftovers."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, tracked

TEXT = [
    path
    for path in tracked()
    if path.suffix
    in {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".txt", ".lock", ".sql", ".conf", ".ini", ".html"}
    or path.name in {"Makefile", "Dockerfile", "run"}
]
HOSTS = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "repo1.maven" + ".org",
    "repo.maven" + ".apache.org",
    "registry.npmjs" + ".org",
)
CPR_LIKE = re.compile(
    r"(?<![0-9a-fA-F-])(?:[0-2][0-9]|3[01]|[67][0-9]|8[0-9]|9[01])(?:0[1-9]|1[0-2])[0-9]{2}-?[0-9]{4}(?![0-9a-fA-F-])"
)
LEFTOVER = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|breakpoint\(\))")
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|whsec_[A-Za-z0-9+/]{20,}")


def _read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TEXT, ids=str)
def test_no_address_of_a_package_registry(path: Path) -> None:
    assert not [host for host in HOSTS if host in _read(path)]


@pytest.mark.parametrize("path", TEXT, ids=str)
def test_no_path_of_one_machine(path: Path) -> None:
    assert not re.search(r"/(?:work|root|home)/[a-z.]", _read(path))


@pytest.mark.parametrize("path", [p for p in TEXT if p.parts[0] != "tests" and p.name != "requirements.lock"], ids=str)
def test_no_personal_number_outside_test_fixtures(path: Path) -> None:
    found = CPR_LIKE.findall(_read(path))
    assert not found, f"{path}: {found}"


@pytest.mark.parametrize("path", [p for p in TEXT if p.name != "requirements.lock"], ids=str)
def test_no_leftover_notes(path: Path) -> None:
    assert not LEFTOVER.findall(_read(path))


@pytest.mark.parametrize("path", TEXT, ids=str)
def test_no_secret(path: Path) -> None:
    assert not SECRET.findall(_read(path))


def test_no_generated_artefact_is_tracked() -> None:
    assert not [p for p in tracked() if p.suffix in {".jar", ".pyc", ".pdf", ".zip", ".whl"}]
