"""Brings the jars of Apache Kafka's server to this machine, exactly those that the committed lock names.

Rules:
- `deploy/kafka/jgo.lock.toml` is read, never written: jgo works on a copy in our cache folder.
- The lock says what (coordinates and SHA-256), never where from: it holds no address.
- Whatever jgo put there is compared with the lock, jar by jar, before any of it runs, at every start. A jar that the
  lock does not name is refused as well.
- What this machine already has is used without a network; only then is the registry asked.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from libs.cli.processes.local_parts import LocalPartError, package_dir
from libs.cli.processes.state import cache_dir

LOCK_DIR = Path(__file__).parents[3] / "deploy" / "kafka"
_SPEC, _LOCK = "jgo.toml", "jgo.lock.toml"
_SYNC_TIMEOUT_S = 600.0


class JarMismatchError(LocalPartError):
    """The jars on this machine are not the ones that the lock names."""


def locked(lock: Path) -> dict[str, str]:
    """File name → SHA-256 (hexadecimal) of every jar that `lock` names."""
    entries = tomllib.loads(lock.read_text())["dependencies"]
    return {f"{entry['artifactId']}-{entry['version']}.{entry['packaging']}": entry["sha256"] for entry in entries}


def classpath(lock_dir: Path = LOCK_DIR) -> list[Path]:
    """The jars, verified; resolved on first use (a download of some 43 MB unless a Maven cache has them).

    Raises LocalPartMissingError (jgo not installed), LocalPartError (jgo failed), JarMismatchError.
    """
    lock = lock_dir / _LOCK
    target = cache_dir() / f"kafka-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not target.exists():
        _resolve(lock_dir, target)
    return verified(target, lock)


def verified(folder: Path, lock: Path) -> list[Path]:
    """Every jar under `folder`, sorted by name. Raises JarMismatchError unless they are exactly those of `lock`."""
    found = {jar.name: jar for jar in sorted(folder.rglob("*.jar"))}
    expected = locked(lock)
    if found.keys() != expected.keys():
        raise JarMismatchError(f"{folder}: missing or unexpected jars {sorted(found.keys() ^ expected.keys())}")
    changed = [name for name, jar in found.items() if _sha256(jar) != expected[name]]
    if changed:
        raise JarMismatchError(f"{folder}: jars that differ from the lock {changed}; remove the folder and try again")
    return list(found.values())


def _resolve(lock_dir: Path, target: Path) -> None:
    package_dir("jgo", "jgo")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as draft:
        for name in (_SPEC, _LOCK):
            shutil.copy(lock_dir / name, draft)
        if _sync(draft, "--offline").returncode and (failed := _sync(draft)).returncode:
            raise LocalPartError(f"jgo could not resolve Kafka's jars:\n{failed.stderr[-2000:]}")
        verified(Path(draft), lock_dir / _LOCK)
        if not target.exists():
            (Path(draft) / ".jgo").rename(target)


def _sync(folder: str, *options: str) -> subprocess.CompletedProcess[str]:
    # Copies, not links: a Maven cache may be cleaned, or changed, behind our back.
    command = (sys.executable, "-m", "jgo", "--links", "copy", *options, "sync")
    return subprocess.run(  # noqa: S603  (no shell; the arguments are constants)
        command, cwd=folder, capture_output=True, text=True, timeout=_SYNC_TIMEOUT_S, check=False
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
