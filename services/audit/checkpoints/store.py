"""Signed checkpoints, and the public key that they verify under."""

from dataclasses import dataclass
from datetime import datetime

from libs.common.database.database import Session, WriteSession

_LATEST = "SELECT tree_size, signed_at, note FROM checkpoint ORDER BY tree_size DESC, signed_at DESC LIMIT 1"
_INSERT = "INSERT INTO checkpoint (tree_size, signed_at, note) VALUES ($1, $2, $3)"
_INSERT_KEY = "INSERT INTO log_key (vkey, origin, first_used_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_KEY = "SELECT origin, vkey FROM log_key ORDER BY first_used_at DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed note and when it was signed."""

    size: int
    signed_at: datetime
    note: str


async def load_latest(session: Session) -> Signed | None:
    """The note for the largest tree, signed last; None before the first."""
    row = (await session.exec_driver_sql(_LATEST)).one_or_none()
    return row and Signed(row.tree_size, row.signed_at, row.note)


async def insert_signed(session: WriteSession, signed: Signed, *, origin: str, vkey: str) -> None:
    """Publish a note, and the key that it verifies under."""
    await session.exec_driver_sql(_INSERT_KEY, (vkey, origin, signed.signed_at))
    await session.exec_driver_sql(_INSERT, (signed.size, signed.signed_at, signed.note))


async def load_log_key(session: Session) -> tuple[str, str] | None:
    """Origin and vkey of the key in use; None before the first checkpoint."""
    row = (await session.exec_driver_sql(_KEY)).one_or_none()
    return row and (row.origin, row.vkey)
