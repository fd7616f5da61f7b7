"""Laws 1–3: rules are pure, HTTP stops at the door, one place builds SQL, only the edge commits.

That services do not know each other, and that packages stand in one order, is kept by the import-linter contracts in
pyproject.toml. Here the *kind* of a file says what it may do, and its name says its kind: `api`, `store`, `tables`.
"""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, SERVICES, imports, parsed, python_files

FILES = [path for path in python_files("services") if "migrations" not in path.parts]
PACKAGED = [path for path in FILES if len(path.parts) == 4 and path.stem != "__init__"]
# What stands around the rules; the last word of a file's name tells. All others are rule files, or are named below.
KINDS = {"api", "schemas", "views", "commands", "queries", "store", "tables", "worker", "consumer", "audit", "pages"}
IMPURE = {
    "asyncio",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
}
EDGE = {"app", "__main__", "worker", "consumer", "sender", "drain", "signer", "watch"}
# In an HTTP package's place: what several doors share.
DOOR_PARTS = {
    "services/advis/disclosure/response.py",
    "services/advis/inbox/refused_requests.py",
    "services/consent/access/requests.py",
    "services/consent/citizens/acting.py",
    "services/consent/commands/answers.py",
    "services/consent/commands/draining.py",
    "services/consent/employees/employees.py",
    "services/consent/employees/refused_requests.py",
    "services/consent/fence/holder_token.py",
}


def kind(path: Path) -> str:
    """`store` of `store.py` and of `holders_store.py`; empty where the name tells none."""
    word = path.stem.rsplit("_", maxsplit=1)[-1]
    return word if word in KINDS else ""


@cache
def module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


@cache
def _by_module() -> dict[str, Path]:
    return {module(path): path for path in FILES}


def _ours(path: Path) -> set[Path]:
    """The files of the services that this one imports; `from package import file` counts as the file."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("services."):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {_by_module()[name] for name in names if name in _by_module()}
            found |= {_by_module()[node.module]} if node.module in _by_module() else set()
    return found


def _own_impurity(path: Path) -> list[str]:
    """What the file itself does that a rule may not: libraries, I/O, a clock, chance, awaiting."""
    found = [name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names | {"services"}]
    found += [name for name in imports(path) if name.split(".")[0] in IMPURE]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await):
            found.append(f"line {node.lineno} is async")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func.attr
            if called in {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7"}:
                found.append(f"line {node.lineno} calls {called}")
    return found


# Impure and of no kind: commands and adapters whose name says what they do. A new one is a decision.
APPLICATION = set((Path(__file__).parent / "application_files.txt").read_text("utf-8").split())
RULES = [path for path in PACKAGED if not kind(path) and str(path) not in APPLICATION]


@pytest.mark.parametrize("path", RULES, ids=str)
def test_a_rule_is_pure_and_rests_on_rules(path: Path) -> None:
    assert not _own_impurity(path)
    assert not [str(other) for other in _ours(path) if other not in RULES and other.stem != "__init__"]


def test_every_application_file_exists_and_is_impure() -> None:
    assert {str(path) for path in PACKAGED} >= APPLICATION
    for path in PACKAGED:
        if str(path) in APPLICATION:
            impure = _own_impurity(path) or [other for other in _ours(path) if other not in RULES]
            assert impure, f"{path} is a rule: take it off the list"


@pytest.mark.parametrize("path", [*PACKAGED, *(p for p in FILES if len(p.parts) == 3)], ids=str)
def test_http_stops_at_the_door(path: Path) -> None:
    if kind(path) == "api" or path.stem in {"app", "resources"} or path.parts[2] == "http" or str(path) in DOOR_PARTS:
        return
    assert not {name for name in imports(path) if name.split(".")[0] in {"fastapi", "starlette"}}


def test_every_part_of_a_door_exists_and_speaks_http() -> None:
    for path in map(Path, DOOR_PARTS):
        assert {name for name in imports(path) if name.split(".")[0] in {"fastapi", "starlette"}}, path


@pytest.mark.parametrize("path", PACKAGED, ids=str)
def test_inside_a_package_the_door_is_on_top_and_the_tables_at_the_bottom(path: Path) -> None:
    ranks = {"tables": 0, "store": 1, "commands": 3, "queries": 3, "worker": 4, "consumer": 4, "api": 5}
    mine = ranks.get(kind(path), 2)
    for other in _ours(path):
        if other.parts[:3] == path.parts[:3] and kind(other) in ranks:
            assert ranks[kind(other)] <= max(mine, 3 if not kind(path) else mine), f"{path} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_store_builds_sql(path: Path) -> None:
    if kind(path) in {"store", "tables"}:
        return
    forbidden = {"text", "select", "insert", "update", "delete"}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            taken = {alias.name for alias in node.names} & forbidden
            assert not taken, f"{path} builds SQL with {taken}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("libs.common.database"):
            names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            assert "libs.common.database.rows" not in names, f"{path} reads rows"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "driver", f"{path}:{node.lineno} speaks to the driver"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_edge_opens_a_transaction(path: Path) -> None:
    """A door goes through `libs.common.database.transaction`, which begins anew what a deadlock ends."""
    for node in ast.walk(parsed(path)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        assert node.func.attr != "commit", f"{path}:{node.lineno} commits by hand"
        if node.func.attr == "write" and isinstance(node.func.value, ast.Attribute | ast.Name):
            owner = node.func.value.attr if isinstance(node.func.value, ast.Attribute) else node.func.value.id
            if owner == "database":
                assert {kind(path), path.stem} & EDGE, f"{path}:{node.lineno} opens a transaction by hand"


# Who may look people up by their CPR number: the packages about people, and the doors that are given a number.
VAULT = "services/consent/citizens/vault.py"
FRIENDS_OF_THE_VAULT = {
    "services/consent/app.py",
    "services/consent/attestations/api.py",
    "services/consent/citizens/acting.py",
    "services/consent/citizens/api.py",
    "services/consent/citizens/citizens.py",
    "services/consent/citizens/store.py",
    "services/consent/employees/employees.py",
    "services/consent/employees/need_to_know.py",
    "services/consent/employees/refused_requests.py",
    "services/consent/representation/api.py",
    "services/consent/requests/api.py",
}


def test_the_vault_of_cpr_numbers_has_few_friends() -> None:
    assert {str(path) for path in FILES if Path(VAULT) in _ours(path)} == FRIENDS_OF_THE_VAULT


# Where keys are held that seal, sign or unwrap; everybody else is handed what signs, or a sealed value.
KEPT_SECRETS = {
    "services/audit/checkpoints/key.py",
    "services/audit/keys/vault.py",
    "services/consent/citizens/vault.py",
    "services/consent/http/signing.py",
}


def test_few_files_touch_cryptography() -> None:
    libraries = {"cryptography", "joserfc", "authlib"}
    touching = {str(path) for path in FILES if {name.split(".")[0] for name in imports(path)} & libraries}
    assert touching == KEPT_SECRETS


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_of_a_package_is_known_to_the_migrations(service: str) -> None:
    packages = {path.parts[2] for path in PACKAGED if path.parts[1] == service and path.stem == "tables"}
    known = {other.parts[2] for other in _ours(Path(f"services/{service}/tables.py"))}
    assert known == packages


@pytest.mark.parametrize("service", SERVICES)
def test_no_migration_waits_long_for_a_lock(service: str) -> None:
    """Law 10: in the session that migrates, or in every revision and in what the next one is made from."""
    folder = ROOT / "services" / service / "migrations"
    environment = (folder / "env.py").read_text(encoding="utf-8")
    revisions = [folder / "script.py.mako", *sorted((folder / "versions").glob("*.py"))]
    timed = ["lock_timeout" in path.read_text(encoding="utf-8") for path in revisions]
    assert len(timed) > 1
    assert "lock_timeout" in environment or all(timed)
