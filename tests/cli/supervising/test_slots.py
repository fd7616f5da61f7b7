"""A slot's lock and record: what proves a death, and what does not."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from libs.cli.supervising.slots import Place, Record, Slot, UnprovableDeathError, proof_of_death

HERE = Place("boot-1", "a" * 32)
LOCK = (7, 11)
RECORD = Record(uuid4(), HERE.boot_id, HERE.machine_id, LOCK)


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Slot(tmp_path / "slots", "supervisor/advis")


def test_the_lock_proves_a_death_on_the_same_boot() -> None:
    assert proof_of_death(RECORD, HERE, LOCK) == "lock"


def test_the_lock_proves_it_even_where_the_machine_has_no_identity() -> None:
    nameless = Place(HERE.boot_id, None)
    assert proof_of_death(replace(RECORD, machine_id=None), nameless, LOCK) == "lock"


def test_another_lock_file_proves_nothing_on_the_same_boot() -> None:
    with pytest.raises(UnprovableDeathError, match="lock file was replaced"):
        proof_of_death(RECORD, HERE, (7, 12))


def test_another_boot_of_the_same_machine_proves_a_death() -> None:
    assert proof_of_death(RECORD, Place("boot-2", HERE.machine_id), LOCK) == "boot"


@pytest.mark.parametrize("there", ["b" * 32, None])
def test_another_machine_proves_nothing_even_with_the_lock(there: str | None) -> None:
    with pytest.raises(UnprovableDeathError, match="samtykkebro fence"):
        proof_of_death(RECORD, Place("boot-2", there), LOCK)


def test_two_machines_without_an_identity_are_not_the_same_machine() -> None:
    with pytest.raises(UnprovableDeathError):
        proof_of_death(replace(RECORD, machine_id=None), Place("boot-2", None), LOCK)


@pytest.mark.parametrize("content", ["", "uninitialized\n", "not-a-machine-id\n"])
def test_an_unset_machine_id_is_no_identity(tmp_path: Path, content: str) -> None:
    file = tmp_path / "machine-id"
    file.write_text(content)
    assert Place.here(machine_id_file=file).machine_id is None


def test_this_boot_is_the_kernels_word() -> None:
    assert Place.here().boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_only_one_holds_the_lock(tmp_path: Path, slot: Slot) -> None:
    other = Slot(tmp_path / "slots", "supervisor/advis")
    assert slot.try_lock()
    assert not other.try_lock()
    slot.release()
    assert other.try_lock()
    other.release()


def test_a_child_that_inherited_the_lock_keeps_it_after_its_parent_let_go(tmp_path: Path, slot: Slot) -> None:
    assert slot.try_lock()
    command = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(slot.descriptor,)) as child:
        slot.release()
        other = Slot(tmp_path / "slots", "supervisor/advis")
        assert not other.try_lock()
        child.kill()
        child.wait()
        assert other.try_lock()
    other.release()


def test_a_record_is_read_back_as_it_was_written_by_the_next_supervisor(tmp_path: Path, slot: Slot) -> None:
    assert slot.try_lock()
    assert slot.previous() is None
    record = replace(RECORD, lock=slot.lock)
    slot.write(record)
    assert Slot(tmp_path / "slots", "supervisor/advis").previous() == record
    slot.clear()
    slot.clear()
    assert slot.previous() is None
    slot.release()


def test_the_lock_file_stays_the_same_file_whatever_is_recorded(slot: Slot) -> None:
    assert slot.try_lock()
    before = slot.lock
    slot.write(RECORD)
    slot.clear()
    slot.release()
    assert slot.try_lock()
    assert slot.lock == before
    slot.release()


def test_only_the_owner_may_read_a_slot(tmp_path: Path, slot: Slot) -> None:
    assert slot.try_lock()
    slot.write(RECORD)
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "slots").rglob("*")}
    assert modes == {0}
    slot.release()
