"""The whole log over HTTP under the operator's verifier, which shares no code with it: whole, gapped, tampered with."""

from collections.abc import Callable

import pytest

from libs.cli.verifying.audit_verify import Verdict, verify_with
from libs.common.database.database import Database
from libs.common.http.client import ServiceClient
from services.audit.checkpoints.checkpoint import Checkpoint
from services.audit.checkpoints.key import LogKey
from services.audit.checkpoints.signer import Signer
from services.audit.log.consumer import EntryHandler
from services.audit.log.maker import LeafMaker
from services.audit.settings import Settings
from services.audit.tree.tree import Frontier, leaf_hash
from tests.audit.completeness.test_gaps import look
from tests.audit.world.doors import token, transport
from tests.audit.world.records import a_delivery, bodies, ingest
from tests.servers import Postgres, TestDatabase

Damage = Callable[..., None]


@pytest.fixture
def damage(postgres: Postgres, audit_database: TestDatabase) -> Damage:
    """A database administrator at work, guards and checks taken off first."""

    def run(*statements: str) -> None:
        off = [f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in ("leaf", "batch", "checkpoint")]
        checks = [f"ALTER TABLE leaf DROP CONSTRAINT leaf_{name}_ck" for name in ("hash_of_body", "columns_of_body")]
        postgres.execute(*off, *checks, *statements, database=audit_database.name)

    return run


@pytest.fixture
async def filled(handler: EntryHandler, database: Database, log_key: LogKey) -> None:
    for first in (1, 151):
        await ingest(handler, database, [a_delivery(n) for n in range(first, first + 150)])
    await Signer(database, log_key, every_s=1, idle_s=0, memory=None).sign_once()


async def verdict(settings: Settings, log_key: LogKey, known: str | None = None) -> Verdict:
    async with (
        transport(settings) as inside,
        ServiceClient("http://audit.test", bearer=token("auditor"), transport=inside) as client,
    ):
        return await verify_with(client, vkey=log_key.vkey, known=known)


async def test_a_whole_log_verifies(filled: None, settings: Settings, log_key: LogKey) -> None:
    found = await verdict(settings, log_key)
    assert (found.exit_code, found.leaves, found.signed, found.findings) == (0, 300, 300, ())


async def test_a_gap_is_told_from_damage(
    filled: None, handler: EntryHandler, database: Database, maker: LeafMaker, settings: Settings, log_key: LogKey
) -> None:
    await ingest(handler, database, [a_delivery(305)])
    await look(database, maker)
    found = await verdict(settings, log_key)
    assert (found.exit_code, [(gap.first, gap.last, gap.reported) for gap in found.gaps]) == (3, [(301, 304, True)])
    await ingest(handler, database, [a_delivery(n) for n in range(301, 305)])
    assert (await verdict(settings, log_key)).exit_code == 0


EDITED = "convert_to(replace(convert_from(body, 'UTF8'), 'caseworker', 'casevvorker'), 'UTF8')"


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE leaf SET body = {EDITED} WHERE leaf_index = 7",
        f"UPDATE leaf SET body = {EDITED}, leaf_hash = sha256('\\x00'::bytea || {EDITED}) WHERE leaf_index = 7",
        "DELETE FROM leaf WHERE leaf_index = 7",
        "DELETE FROM leaf WHERE leaf_index >= 290",
        "UPDATE leaf SET leaf_index = 900 WHERE leaf_index = 7",
        "UPDATE batch SET root = sha256('x') WHERE tree_size = 150",
        "UPDATE checkpoint SET note = replace(note, E'\\n300\\n', E'\\n299\\n')",
    ],
    ids=["body", "body and hash", "deleted", "tail cut", "moved", "root", "checkpoint"],
)
async def test_what_an_administrator_of_the_database_changes_is_found(
    filled: None, settings: Settings, log_key: LogKey, damage: Damage, statement: str
) -> None:
    damage(statement)
    assert (await verdict(settings, log_key)).exit_code == 2


async def test_a_log_rewritten_and_signed_anew_with_the_true_key_is_found_by_a_kept_checkpoint_alone(
    filled: None, database: Database, settings: Settings, log_key: LogKey, damage: Damage
) -> None:
    (kept,) = [(await Signer(database, log_key, every_s=1, idle_s=0, memory=None).sign_once()).note]
    stored = await bodies(database)
    stored[7] = stored[7].replace(b"caseworker", b"casevvorker")
    damage(
        f"UPDATE leaf SET body = {EDITED}, leaf_hash = sha256('\\x00'::bytea || {EDITED}) WHERE leaf_index = 7",
        *(
            f"UPDATE batch SET root = '\\x{root_of(stored[:size]).hex()}' WHERE tree_size = {size}"
            for size in (150, 300)
        ),
        f"UPDATE checkpoint SET note = '{log_key.sign(Checkpoint(log_key.name, 300, root_of(stored)))}'",
    )
    assert (await verdict(settings, log_key)).exit_code == 0
    assert (await verdict(settings, log_key, known=kept)).exit_code == 2


def root_of(entries: list[bytes]) -> bytes:
    return Frontier().extend(map(leaf_hash, entries))[0].root
