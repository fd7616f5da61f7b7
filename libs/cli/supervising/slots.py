"""A holder's slot on disk: how the next supervisor proves that the last incarnation is dead (docs/fence.md, Death).

Rules:
- The lock is the file `<slot>.lock`, held with flock. The child inherits the open file, so the kernel frees the lock
  when the child and its supervisor are both gone, and at no other time. The file is never replaced or removed.
- The record is the file `<slot>.json`, written whole or not at all. It is there from before an incarnation is
  registered until its death is confirmed.
- A death is proved by the lock on the same boot of the same kernel, or by another boot of the same machine. From
  another machine, or without a machine identity, nothing is proved and an operator decides.
- The folder must lie on a local file system: a lock that a network file server keeps proves nothing about a process.
"""

import fcntl
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from uuid import UUID

import orjson

from libs.cli.processes.state import private_dir, write_private
from libs.common.wire.permits import DeathProof

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MACHINE_ID = Path("/etc/machine-id")


class UnprovableDeathError(Exception):
    """Nothing here proves that the incarnation is dead: only an operator may say so. `holder_id` names it."""

    def __init__(self, holder_id: UUID, reason: str) -> None:
        super().__init__(f"holder {holder_id}: {reason}; once it is dead, run: samtykkebro fence {holder_id}")
        self.holder_id = holder_id


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs. `boot_id` is the kernel's, new at every boot; `machine_id` is None where there is none."""

    boot_id: str
    machine_id: str | None

    @classmethod
    def here(cls, boot_id_file: Path = _BOOT_ID, machine_id_file: Path = _MACHINE_ID) -> Self:
        """This machine, this boot. An image that is shared by machines must hold no machine id (machine-id(5))."""
        machine_id = machine_id_file.read_text().strip() if machine_id_file.exists() else ""
        known = len(machine_id) == 32 and set(machine_id) <= set("0123456789abcdef")
        return cls(boot_id_file.read_text().strip(), machine_id if known else None)


@dataclass(frozen=True, slots=True)
class Record:
    """One incarnation. `lock` is the device and inode number of the lock file that its process inherits."""

    holder_id: UUID
    boot_id: str
    machine_id: str | None
    lock: tuple[int, int]


def proof_of_death(record: Record, here: Place, lock: tuple[int, int]) -> DeathProof:
    """How the holder of the lock file `lock`, standing `here`, knows that the incarnation in `record` is dead.

    Raises UnprovableDeathError.
    """
    if record.boot_id == here.boot_id:
        if record.lock == lock:
            return "lock"
        raise UnprovableDeathError(record.holder_id, "its lock file was replaced while it may have lived")
    if record.machine_id is not None and record.machine_id == here.machine_id:
        return "boot"
    raise UnprovableDeathError(record.holder_id, "it was started on another machine, or on one without an identity")


class Slot:
    """One slot in `folder`. Use: `try_lock`, then `previous`, then `write` / `clear`, and `release` in the end."""

    def __init__(self, folder: Path, name: str) -> None:
        stem = private_dir(folder) / name.replace("/", ".")
        self.name = name
        self._lock_path = stem.with_name(f"{stem.name}.lock")
        self._record_path = stem.with_name(f"{stem.name}.json")
        self._descriptor: int | None = None

    def try_lock(self) -> bool:
        """Whether the lock is ours now. False: an incarnation, or another supervisor, still lives."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    @property
    def descriptor(self) -> int:
        """The open, locked file, for the child to inherit."""
        assert self._descriptor is not None, "the slot is not locked by us"
        return self._descriptor

    @property
    def lock(self) -> tuple[int, int]:
        """The device and inode number of the lock file that we hold."""
        return _identity(os.fstat(self.descriptor))

    @property
    def lock_on_disk(self) -> tuple[int, int]:
        """The same of the lock file as it lies there, whoever holds it; (0, 0) when there is none."""
        return _identity(self._lock_path.stat()) if self._lock_path.exists() else (0, 0)

    def previous(self) -> Record | None:
        """The incarnation whose death is not confirmed yet; None: there is none."""
        if not self._record_path.exists():
            return None
        fields = orjson.loads(self._record_path.read_bytes())
        return Record(UUID(fields.pop("holder_id")), lock=tuple(fields.pop("lock")), **fields)

    def write(self, record: Record) -> None:
        """Keeps the record over a crash of ours and of the machine."""
        write_private(self._record_path, orjson.dumps(asdict(record), option=orjson.OPT_INDENT_2))
        self._sync_folder()

    def clear(self) -> None:
        """The death is confirmed: forget the incarnation."""
        self._record_path.unlink(missing_ok=True)
        self._sync_folder()

    def release(self) -> None:
        """Close our copy of the lock; a child that inherited it keeps it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _sync_folder(self) -> None:
        folder = os.open(self._lock_path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
