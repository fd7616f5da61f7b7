"""Every argument and option of every command: whatever it holds, the command ends with a code and a sentence."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from libs.cli.__main__ import app
from openapi.door_cells import Cell, command_cells
from tests.doors.hostile import OTHER_FORMS

UNREACHABLE = ("", "x y", "ftp://x", "http://[::1", "http://127.0.0.1:1", "x" * 5_000, "\u202e")
HOSTILE = {
    "UUID": ("x", "", "7", f"{uuid4()}x", *OTHER_FORMS),
    "int": ("x", "", "0", "-1", "1.5", "99999999"),
    "str": UNREACHABLE,
    "list": UNREACHABLE,
    "Path": ("/dev/null/x", "{folder}/absent", "{folder}/bytes", "{folder}/empty", "{folder}/folder"),
    "bool": (),
}
STARTS = {"samtykkebro up", "samtykkebro demo"}  # with arguments that hold, these would start the whole system
REQUIRED = {
    "file": "{folder}/bytes",
    "folder": "{folder}/secrets",
    "holder": str(uuid4()),
    "letter": "0/0",
    "topic": "case.events.fasit",
    "role": "api",
    "service": "consent",
    "name": "morten",
}
"""Name of an argument that a command needs → a value of its form. An argument that is not here fails its test."""


def cells() -> list[Cell]:
    return [cell for cell in command_cells() if HOSTILE[cell.schema["cli"]] and not _would_start(cell)]


def _would_start(cell: Cell) -> bool:
    return cell.door in STARTS and cell.schema["cli"] not in {"int", "UUID"}


def named(cell: Cell) -> str:
    return f"{cell.door} {cell.field}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMTYKKEBRO_STATE_DIR", str(tmp_path / "state"))
    for name in ("BUS_URL", "ISSUER_URL", "CONSENT_URL", "AUDIT_URL", "ADMIN_DATABASE_URL"):
        monkeypatch.delenv(f"SAMTYKKEBRO_{name}", raising=False)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00{")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("cell", cells(), ids=named)
def test_a_command_ends_with_a_code_whatever_an_argument_holds(cell: Cell, folder: Path) -> None:
    for value in HOSTILE[cell.schema["cli"]]:
        words = [word.replace("{folder}", str(folder)) for word in _words(cell, value)]
        assert not list(_wrong(CliRunner().invoke(app, words))), words


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_a_holder_has_one_spelling(form: str) -> None:
    assert CliRunner().invoke(app, ["fence", form]).exit_code == 2


def _words(cell: Cell, value: str) -> Iterator[str]:
    """The command line: the command, what it needs, and the value in its place."""
    yield from cell.door.split()[1:]
    for other in (one for one in command_cells() if one.door == cell.door and one.place == "argument"):
        yield value if other.field == cell.field else REQUIRED[other.field]
    if cell.place == "option":
        yield from (f"--{cell.field.replace('_', '-')}", value)


def _wrong(result: Result) -> Iterator[str]:
    if result.exit_code not in {0, 1, 2}:
        yield f"ended with {result.exit_code}"
    if not isinstance(result.exception, SystemExit | None):
        yield f"raised {result.exception!r}"
    if result.exit_code and not result.output.strip():
        yield "said nothing"
