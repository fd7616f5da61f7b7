"""What the architecture tests look at: the committed tree, parsed once."""

import ast
import subprocess
from functools import cache
from pathlib import Path

from tests.tree import ROOT

SERVICES = ("consent", "advis", "audit")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git tracks or would track, relative to the root, that still exists."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return tuple(sorted(Path(name) for name in listed if name and (ROOT / name).is_file()))


def python_files(*prefixes: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] in prefixes]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> set[str]:
    """Every module name that the file imports, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names
