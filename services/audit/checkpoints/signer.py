"""Signs what the log is, having looked (P8). A wrong root that was signed can never be taken back.

1. Read the last note from the database, and from the file outside it where there is one; each must bear our signature.
2. The newest tree must follow both: neither smaller, nor different at the same size (a restored backup, a fork).
3. The tree of the last signed size, rebuilt from what is stored, must still have the signed root (a flipped bit).
4. Every leaf since is read back and hashed; joined to that tree it must give the root that the sequencer wrote.
5. A consistency proof from the old root to the new must verify, by the code that does not build trees.
6. Only then sign: first into the file, so that nothing is ever published that is not remembered outside, then publish.

What is refused stays unsigned and is tried again: publication fails closed, ingestion goes on.
"""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from libs.common.database.database import Database, ReadSession, clock
from libs.common.observing.log import get_logger
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.running.sweep import keep_sweeping
from services.audit.checkpoints import store as checkpoints_store
from services.audit.checkpoints.checkpoint import Checkpoint, require_follows
from services.audit.checkpoints.key import LogKey
from services.audit.checkpoints.store import Signed
from services.audit.model.errors import AuditError, CheckpointError
from services.audit.tree import store as tree_store
from services.audit.tree.proof import consistency_spans, verify_consistency
from services.audit.tree.tree import Frontier, leaf_hash

PAGE = 2_000  # leaves read back at a time


class Signer:
    """The one who signs. `memory` is a file outside the database that holds the last note."""

    def __init__(self, database: Database, key: LogKey, *, every_s: float, idle_s: float, memory: Path | None) -> None:
        self._database = database
        self._key = key
        self._every_s = every_s
        self._idle = timedelta(seconds=idle_s)
        self._memory = memory

    async def run(self) -> None:
        """Sign for ever; end by cancelling."""
        await keep_sweeping("signer", self._every_s, self._round)

    async def _round(self) -> None:
        try:
            await self.sign_once()
        except AuditError as error:
            get_logger().error("checkpoint_refused", reason=str(error))
            raise_alarm_later(AlarmCode.CHECKPOINT_REFUSED, about=str(error))
            raise

    async def sign_once(self) -> Signed | None:
        """Sign the newest tree; None when it is signed already and that is not long ago. Raises AuditError."""
        async with self._database.read() as session:
            now = await clock(session)
            published = await checkpoints_store.load_latest(session)
            known = self._known(published)
            size = await tree_store.load_size(session)
            if (
                published
                and published.size == size
                and known[0].size == size
                and now - published.signed_at < self._idle
            ):
                return None
            checkpoint = await self._checked(session, size, known)
        return await self._publish(checkpoint, now)

    def _known(self, published: Signed | None) -> list[Checkpoint]:
        """What was signed before, the largest first; the empty tree when nothing was."""
        notes = [published.note] if published else []
        if self._memory and self._memory.exists():
            notes.append(self._memory.read_text(encoding="utf-8"))
        opened = [self._key.open(note) for note in notes] or [Checkpoint(self._key.name, 0, Frontier().root)]
        opened.sort(key=lambda known: known.size, reverse=True)
        for newer, older in pairwise(opened):
            require_follows(newer, older)
        return opened

    async def _checked(self, session: ReadSession, size: int, known: Sequence[Checkpoint]) -> Checkpoint:
        """The checkpoint of the newest tree, after steps 2 to 5."""
        (batch,) = await tree_store.load_batches(session, size, 1)
        checkpoint = Checkpoint(self._key.name, size, batch.root)
        for former in known:
            require_follows(checkpoint, former)
        last = known[0]
        try:
            rebuilt = Frontier(last.size, await tree_store.load_peaks(session, last.size))
        except KeyError:
            raise CheckpointError("stored_nodes_missing") from None
        if rebuilt.root != last.root:
            raise CheckpointError("signed_tree_changed")
        if (await self._read_back(session, rebuilt, size)).root != checkpoint.root:
            raise CheckpointError("root_is_not_of_leaves")
        await _require_consistent(session, last, checkpoint)
        return checkpoint

    async def _read_back(self, session: ReadSession, frontier: Frontier, size: int) -> Frontier:
        while frontier.size < size:
            bodies = await tree_store.load_bodies(session, frontier.size, min(size, frontier.size + PAGE))
            if not bodies or [index for index, _ in bodies] != list(range(frontier.size, frontier.size + len(bodies))):
                raise CheckpointError("leaf_missing")
            frontier, _ = frontier.extend(leaf_hash(body) for _, body in bodies)
        return frontier

    async def _publish(self, checkpoint: Checkpoint, now: datetime) -> Signed:
        signed = Signed(checkpoint.size, now, self._key.sign(checkpoint))
        if self._memory:
            _write_durably(self._memory, signed.note)
        async with self._database.write() as session:
            await checkpoints_store.insert_signed(session, signed, origin=self._key.name, vkey=self._key.vkey)
        get_logger().info("checkpoint_signed", size=checkpoint.size)
        return signed


async def _require_consistent(session: ReadSession, old: Checkpoint, new: Checkpoint) -> None:
    if not 1 <= old.size < new.size:
        return  # everything follows the empty tree; equal sizes were compared already
    try:
        proof = await tree_store.load_proof(session, consistency_spans(old.size, new.size))
    except KeyError:
        raise CheckpointError("stored_nodes_missing") from None
    verify_consistency(old.size, new.size, proof=proof, old_root=old.root, new_root=new.root)


def _write_durably(path: Path, note: str) -> None:
    """Whole or not at all, and on the disk before anybody sees the note."""
    partial = path.with_suffix(path.suffix + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
