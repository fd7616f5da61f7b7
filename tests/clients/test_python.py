"""A Python client of each service: it compiles, and each call gives back what the document says."""

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic.alias_generators import to_snake

from tests.clients.generating import HERE, SERVICES, python_clients, run
from tests.contract.doors import Operation, operations
from tests.contract.test_doors import named

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the packages lie, importable."""
    folder = tmp_path_factory.mktemp("clients")
    said = python_clients(folder)
    assert said.count("WARNING") == 1, said
    assert "application/cloudevents-batch+json" in said, said
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def test_it_compiles(folder: Path) -> None:
    packages = [f"{service}_client" for service in SERVICES]
    run([sys.executable, "-m", "mypy", "--config-file", HERE / "mypy.ini", "--cache-dir", ".mypy", *packages], folder)


@pytest.mark.parametrize("operation", operations(), ids=named)
def test_a_call_gives_back_each_answer_in_a_class_of_its_own(folder: Path, operation: Operation) -> None:
    source = inspect.getsource(_module(operation))
    for status, answer in operation.spec["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            assert f"response_{status} = {name}.from_dict(response.json())" in source


def _module(operation: Operation) -> ModuleType:
    tag, name = operation.spec["tags"][0].replace(" ", "_"), to_snake(operation.spec["operationId"])
    return importlib.import_module(f"{operation.service}_client.api.{tag}.{name}")
