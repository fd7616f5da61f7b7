"""Where the operator's command keeps what must survive a restart, and what may be thrown away.

Rules:
- `SAMTYKKEBRO_STATE_DIR` decides. Without it: the XDG state folder, or for root a folder that is nobody's home,
  because the database runs as another user and must be able to enter it.
- A secret file is created with mode 0600 and appears whole or not at all.
"""

import os
import tempfile
from pathlib import Path

_APPLICATION = "samtykkebro"
_ROOT_STATE = Path("/var/lib") / _APPLICATION
_ROOT_CACHE = Path("/var/cache") / _APPLICATION


def state_dir() -> Path:
    """The folder for data, generated secrets and logs, made if needed.

    It is its owner's alone. Root's may be walked through, not listed, by others: the database's folder inside it is
    another user's, and every other folder inside it is closed on its own.
    """
    as_root = os.geteuid() == 0
    named = os.environ.get("SAMTYKKEBRO_STATE_DIR")
    path = Path(named).absolute() if named else _ROOT_STATE if as_root else _xdg("XDG_STATE_HOME", ".local/state")
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o711 if as_root else 0o700)
    return path


def cache_dir() -> Path:
    """The folder for what can be made again: copied binaries and downloaded jars; it need not exist yet."""
    if os.geteuid() == 0:
        return _ROOT_CACHE
    return _xdg("XDG_CACHE_HOME", ".cache")


def private_dir(path: Path) -> Path:
    """Makes `path` (and its parents) if needed, readable by its owner alone; returns it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Writes a file of mode 0600 so that a reader sees the old content or the new, and a crash leaves no half."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _xdg(variable: str, fallback: str) -> Path:
    named = os.environ.get(variable, "")
    # The XDG base directory specification: a relative path is invalid and ignored.
    base = Path(named) if Path(named).is_absolute() else Path.home() / fallback
    return base / _APPLICATION
