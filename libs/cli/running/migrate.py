"""Brings the services' databases to today's form, each in a process of its own, all at once.

Rules:
- A database of ours that this code has already migrated is left alone: a digest of the migrations and of the
  reference data that they load is kept in the state folder. A database of yours is always migrated.
- A migration that fails stops the start, and its log is quoted.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson

from libs.cli.installation.profiles import REFERENCE, ROOT, SERVICES
from libs.cli.processes.children import Child, Program
from libs.cli.processes.local_parts import tail
from libs.cli.processes.state import write_private
from libs.cli.running.system import StartError


async def migrate(programs: Sequence[Program], *, note: Path | None) -> None:
    """Runs these migrations, unless `note` says that they were run. Raises StartError."""
    digest = _digest()
    if note is not None and _noted(note) == digest:
        return
    children = [Child(program, {}) for program in programs]
    try:
        await asyncio.gather(*(child.exited.wait() for child in children))
    finally:
        await asyncio.gather(*(child.end(0) for child in children))
    for program, child in zip(programs, children, strict=True):
        if child.code != 0:
            assert program.log is not None
            raise StartError(f"{program.name} failed with {child.code}. The end of {program.log}:\n{tail(program.log)}")
    if note is not None:
        write_private(note, orjson.dumps(digest))


def _noted(note: Path) -> str | None:
    return orjson.loads(note.read_bytes()) if note.exists() else None


def _digest() -> str:
    sources = [file for service in SERVICES for file in (ROOT / "services" / service).rglob("*.py")]
    digest = hashlib.sha256()
    for file in sorted([*sources, *REFERENCE.rglob("*.yaml")]):
        digest.update(f"{file.relative_to(ROOT)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
