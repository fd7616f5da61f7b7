"""What is signed was looked at first: a log that went backwards, forked, changed or lost a leaf is never signed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from libs.common.database.database import Database
from libs.common.running import alarms
from libs.common.running.alarms import AlarmCode
from services.audit.checkpoints.checkpoint import Checkpoint
from services.audit.checkpoints.key import LogKey
from services.audit.checkpoints.signer import Signer
from services.audit.log.consumer import EntryHandler
from services.audit.model.errors import AuditError
from tests.audit.world.records import a_delivery, ingest, require_whole, rows
from tests.servers import Postgres, TestDatabase

Damage = Callable[..., None]


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "last-checkpoint"


@pytest.fixture
def signer(database: Database, log_key: LogKey, memory: Path) -> Signer:
    return Signer(database, log_key, every_s=1, idle_s=3600, memory=memory)


@pytest.fixture
def damage(postgres: Postgres, audit_database: TestDatabase) -> Damage:
    """What an administrator of the database could do, the guards taken off first."""

    def run(*statements: str) -> None:
        tables = ("leaf", "batch", "subtree", "watermark", "checkpoint")
        off = [f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in tables]
        checks = ["ALTER TABLE leaf DROP CONSTRAINT IF EXISTS leaf_hash_of_body_ck"]
        postgres.execute(*off, *checks, *statements, database=audit_database.name)

    return run


async def some(handler: EntryHandler, database: Database, first: int, last: int) -> None:
    await ingest(handler, database, [a_delivery(number) for number in range(first, last + 1)])


async def test_the_newest_tree_is_signed_and_not_again_until_it_has_been_idle(
    handler: EntryHandler, database: Database, signer: Signer, log_key: LogKey
) -> None:
    await some(handler, database, 1, 300)
    signed = await signer.sign_once()
    assert signed is not None
    head = log_key.open(signed.note)
    (root,) = await rows(database, "SELECT root FROM batch WHERE tree_size = 300")
    assert (head.size, head.root) == (300, root.root)
    assert await signer.sign_once() is None
    assert len(await rows(database, "SELECT 1 FROM checkpoint")) == 1
    restless = Signer(database, log_key, every_s=1, idle_s=0, memory=None)
    again = await restless.sign_once()
    assert again is not None
    assert again.note == signed.note
    assert again.signed_at > signed.signed_at


async def test_the_empty_log_is_signed_too(signer: Signer, log_key: LogKey) -> None:
    signed = await signer.sign_once()
    assert signed is not None
    assert log_key.open(signed.note).size == 0


async def test_every_state_of_a_growing_log_is_signed(
    handler: EntryHandler, database: Database, signer: Signer, memory: Path
) -> None:
    for first, last in ((1, 1), (2, 3), (4, 255), (256, 256), (257, 700)):
        await some(handler, database, first, last)
        signed = await signer.sign_once()
        assert signed is not None
        assert signed.size == last
        assert memory.read_text(encoding="utf-8") == signed.note
    await require_whole(database)


RESTORED = (
    "DELETE FROM opening",
    "DELETE FROM checkpoint",
    "DELETE FROM leaf WHERE leaf_index >= 5",
    "DELETE FROM watermark WHERE tree_size > 5",
    "DELETE FROM batch WHERE tree_size > 5",
)


async def test_a_database_restored_from_a_backup_is_not_signed(
    handler: EntryHandler, database: Database, signer: Signer, damage: Damage
) -> None:
    await some(handler, database, 1, 5)
    await signer.sign_once()
    await some(handler, database, 6, 9)
    await signer.sign_once()
    damage(*RESTORED)
    await require_whole(database)  # the backup is whole in itself
    alarms._PENDING.take()
    with pytest.raises(AuditError, match="tree_went_backwards"):
        await signer._round()
    assert alarms._PENDING.take() == {(AlarmCode.CHECKPOINT_REFUSED, "tree_went_backwards"): 1}


async def test_a_restored_log_that_went_on_another_way_is_not_signed_when_it_has_grown_past_the_old_one(
    handler: EntryHandler, database: Database, signer: Signer, damage: Damage
) -> None:
    await some(handler, database, 1, 5)
    await some(handler, database, 6, 9)
    await signer.sign_once()
    damage(*RESTORED)
    await some(handler, database, 6, 9)  # the same entries, in new leaves
    with pytest.raises(AuditError, match="tree_forked"):
        await signer.sign_once()
    await some(handler, database, 10, 20)
    with pytest.raises(AuditError, match="signed_tree_changed"):
        await signer.sign_once()


async def test_a_rollback_is_found_from_the_database_alone_when_its_checkpoints_are_left(
    handler: EntryHandler, database: Database, log_key: LogKey, damage: Damage
) -> None:
    signer = Signer(database, log_key, every_s=1, idle_s=3600, memory=None)
    await some(handler, database, 1, 5)
    await some(handler, database, 6, 9)
    await signer.sign_once()
    damage(*(statement for statement in RESTORED if "checkpoint" not in statement))
    with pytest.raises(AuditError, match="tree_went_backwards"):
        await signer.sign_once()


FLIPPED = "set_byte(body, 20, get_byte(body, 20) # 1)"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        (f"UPDATE leaf SET body = {FLIPPED} WHERE leaf_index = 7", "root_is_not_of_leaves"),
        (
            f"UPDATE leaf SET body = {FLIPPED}, leaf_hash = sha256('\\x00'::bytea || {FLIPPED}) WHERE leaf_index = 7",
            "root_is_not_of_leaves",
        ),
        ("UPDATE batch SET root = sha256('x') WHERE tree_size = 9", "root_is_not_of_leaves"),
        ("UPDATE leaf SET leaf_hash = sha256('x') WHERE leaf_index = 4", "signed_tree_changed"),
        ("UPDATE leaf SET leaf_hash = sha256('x') WHERE leaf_index = 7", "root_mismatch"),
        ("DELETE FROM leaf WHERE leaf_index = 7", "leaf_missing"),
        ("DELETE FROM leaf WHERE leaf_index = 4", "stored_nodes_missing"),
        ("UPDATE checkpoint SET note = replace(note, E'\\n5\\n', E'\\n4\\n')", "signature"),
    ],
)
async def test_what_was_changed_before_signing_is_never_signed(
    handler: EntryHandler, database: Database, signer: Signer, damage: Damage, statement: str, code: str
) -> None:
    await some(handler, database, 1, 5)
    await signer.sign_once()
    await some(handler, database, 6, 9)
    damage(statement)
    with pytest.raises(AuditError, match=code):
        await signer.sign_once()
    assert len(await rows(database, "SELECT 1 FROM checkpoint")) == 1


async def test_a_kept_subtree_that_was_changed_is_never_built_on(
    handler: EntryHandler, database: Database, signer: Signer, damage: Damage
) -> None:
    await some(handler, database, 1, 300)
    await signer.sign_once()
    await some(handler, database, 301, 310)
    damage("UPDATE subtree SET root = sha256('x')")
    with pytest.raises(AuditError, match="signed_tree_changed"):
        await signer.sign_once()


async def test_two_swapped_leaves_are_never_signed(
    handler: EntryHandler, database: Database, signer: Signer, damage: Damage
) -> None:
    await some(handler, database, 1, 9)
    damage(
        "UPDATE leaf SET leaf_index = 100 WHERE leaf_index = 3",
        "UPDATE leaf SET leaf_index = 3 WHERE leaf_index = 4",
        "UPDATE leaf SET leaf_index = 4 WHERE leaf_index = 100",
    )
    with pytest.raises(AuditError, match="root_is_not_of_leaves"):
        await signer.sign_once()


async def test_a_memory_signed_by_somebody_else_is_not_trusted(
    handler: EntryHandler, database: Database, signer: Signer, memory: Path
) -> None:
    await some(handler, database, 1, 5)
    await signer.sign_once()
    memory.write_text(memory.read_text(encoding="utf-8").replace("\n5\n", "\n4\n"), encoding="utf-8")
    with pytest.raises(AuditError, match="signature"):
        await signer.sign_once()


async def test_a_crash_between_the_file_and_the_database_is_made_good(
    handler: EntryHandler, database: Database, signer: Signer, log_key: LogKey, memory: Path
) -> None:
    await some(handler, database, 1, 5)
    await signer.sign_once()
    await some(handler, database, 6, 9)
    (root,) = await rows(database, "SELECT root FROM batch WHERE tree_size = 9")
    memory.write_text(log_key.sign(Checkpoint(log_key.name, 9, root.root)), encoding="utf-8")
    signed = await signer.sign_once()
    assert signed is not None
    assert signed.size == 9
