"""Laws 1–3: the domain is pure, layers point downwards, one place builds SQL, only the edge commits.

That services do not know each other is kept by the import-linter contracts in pyproject.toml.
"""

import ast
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, SERVICES, imports, parsed, python_files

DOMAIN = [path for path in python_files("services") if "domain" in path.parts]
SERVICE_FILES = [path for path in python_files("services") if len(path.parts) == 3]
IMPURE = {
    "time",
    "random",
    "secrets",
    "os",
    "socket",
    "asyncio",
    "subprocess",
    "pathlib",
    "threading",
    "tempfile",
    "uuid",
}
LAYERS = ("__main__", "app", "api", "handlers", "store", "tables", "domain")


@pytest.mark.parametrize("path", DOMAIN, ids=str)
def test_the_domain_imports_only_the_standard_library_and_itself(path: Path) -> None:
    own = ".".join(path.parts[:2]) + ".domain"
    foreign = {
        name for name in imports(path) if not name.startswith(own) and name.split(".")[0] not in sys.stdlib_module_names
    }
    assert not foreign


@pytest.mark.parametrize("path", DOMAIN, ids=str)
def test_the_domain_has_no_clock_no_chance_and_no_io(path: Path) -> None:
    impure = {name.split(".")[0] for name in imports(path)} & (IMPURE - {"uuid"})
    assert not impure
    for node in ast.walk(parsed(path)):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{path}:{node.lineno} is async"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func.attr
            assert called not in {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7"}, f"{path}:{node.lineno} {called}"
            assert not (isinstance(node.func.value, ast.Name) and node.func.value.id == "open")


def _layer(module: str) -> int | None:
    """The layer of a file of a service by the first word of its name; None where it stands outside the order."""
    word = module.split("_", maxsplit=1)[0] if module != "__main__" else module
    if word in {"consumer", "sender", "worker"}:
        word = "api"
    return LAYERS.index(word) if word in LAYERS else None


@pytest.mark.parametrize("path", SERVICE_FILES, ids=str)
def test_layers_point_downwards(path: Path) -> None:
    mine = _layer(path.stem)
    if mine is None:
        return
    prefix = ".".join(path.parts[:2])
    for name in imports(path):
        if not name.startswith(prefix + "."):
            continue
        theirs = _layer(name.removeprefix(prefix + ".").split(".")[0])
        assert theirs is None or theirs >= mine, f"{path} imports {name}"


@pytest.mark.parametrize("path", SERVICE_FILES, ids=str)
def test_only_the_store_builds_sql(path: Path) -> None:
    if path.stem.split("_")[0] in {"store", "tables"}:
        return
    forbidden = {"text", "select", "insert", "update", "delete"}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            taken = {alias.name for alias in node.names} & forbidden
            assert not taken, f"{path} builds SQL with {taken}"


@pytest.mark.parametrize("path", [p for p in python_files("services") if "migrations" not in p.parts], ids=str)
def test_only_the_edge_opens_a_transaction(path: Path) -> None:
    """A door goes through `libs.common.transaction`, which begins anew what a deadlock ends."""
    edge = {"consumer", "sender", "worker", "app", "__main__", "drain", "signer"}
    for node in ast.walk(parsed(path)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        assert node.func.attr != "commit", f"{path}:{node.lineno} commits by hand"
        if node.func.attr == "write" and isinstance(node.func.value, ast.Attribute | ast.Name):
            owner = node.func.value.attr if isinstance(node.func.value, ast.Attribute) else node.func.value.id
            if owner == "database":
                assert path.stem.split("_")[0] in edge or path.stem in edge, (
                    f"{path}:{node.lineno} opens a transaction below the edge, or at a door by hand"
                )


def test_every_service_has_the_same_file_set() -> None:
    required = {"__init__", "__main__", "app", "settings", "schemas", "consumer", "tables"}
    present = {service: {p.stem for p in python_files("services") if p.parts[1] == service} for service in SERVICES}
    missing = {service: required - stems for service, stems in present.items() if required - stems}
    assert not missing


@pytest.mark.parametrize("service", SERVICES)
def test_no_migration_waits_long_for_a_lock(service: str) -> None:
    """Law 10: in the session that migrates, or in every revision and in what the next one is made from."""
    folder = ROOT / "services" / service / "migrations"
    environment = (folder / "env.py").read_text(encoding="utf-8")
    revisions = [folder / "script.py.mako", *sorted((folder / "versions").glob("*.py"))]
    timed = ["lock_timeout" in path.read_text(encoding="utf-8") for path in revisions]
    assert len(timed) > 1
    assert "lock_timeout" in environment or all(timed)
