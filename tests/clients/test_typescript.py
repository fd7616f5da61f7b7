"""A TypeScript client of each service compiles under `tsc --strict`, with a program that uses it."""

import re
import shutil
from pathlib import Path

import pytest

from tests.clients.generating import HERE, compile_typescript, typescript_clients
from tests.contract.doors import operations

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clients")
    typescript_clients(folder)
    return folder


def test_a_program_compiles_and_the_same_with_a_misspelled_field_does_not(folder: Path) -> None:
    shutil.copy(HERE / "way.ts", folder)
    text = (HERE / "way.ts").read_text(encoding="utf-8")
    (folder / "wrong.ts").write_text(text.replace("consent.consent_id", "consent.consentid"), encoding="utf-8")
    with pytest.raises(AssertionError, match="consentid") as refused:
        compile_typescript(folder)
    errors = [line for line in str(refused.value).splitlines() if "error TS" in line]
    assert errors
    assert all(line.startswith("wrong.ts(") for line in errors), errors


def test_every_operation_is_in_it_by_its_name(folder: Path) -> None:
    for operation in operations():
        text = (folder / f"{operation.service}.ts").read_text(encoding="utf-8")
        name = operation.spec["operationId"]
        assert re.search(rf"^    {name}: {{$", text, re.MULTILINE), name
