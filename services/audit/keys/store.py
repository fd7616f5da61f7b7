"""The keys of persons: found by keyed lookup, made once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.common.database.database import Session, WriteSession
from services.audit.keys.vault import WrappedKey

_FIND = "SELECT lookup, subject_ref, wrapped_dek FROM subject_key WHERE lookup = ANY($1::bytea[])"
_BY_REF = "SELECT lookup, subject_ref, wrapped_dek FROM subject_key WHERE subject_ref = ANY($1::uuid[])"
_INSERT = (
    "INSERT INTO subject_key (subject_ref, lookup, kind, wrapped_dek)"
    " SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::bytea[]) ON CONFLICT (lookup) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A wrapped key as it lies in the database."""

    ref: UUID
    wrapped_dek: bytes


async def find_keys(session: Session, lookups: Collection[bytes]) -> dict[bytes, StoredKey]:
    """By lookup, the keys that exist."""
    rows = await session.exec_driver_sql(_FIND, (list(lookups),))
    return {row.lookup: StoredKey(row.subject_ref, row.wrapped_dek) for row in rows}


async def load_keys(session: Session, refs: Collection[UUID]) -> dict[UUID, bytes]:
    """By reference, the wrapped keys that exist; an erased one is missing."""
    rows = await session.exec_driver_sql(_BY_REF, (list(refs),))
    return {row.subject_ref: row.wrapped_dek for row in rows}


async def insert_keys(session: WriteSession, keys: Sequence[WrappedKey]) -> None:
    """Add those whose lookup is new. In lookup order, so that two who add the same persons do not deadlock."""
    ordered = sorted(keys, key=lambda key: key.lookup)
    columns = ([k.ref for k in ordered], [k.lookup for k in ordered], [k.kind for k in ordered])
    await session.exec_driver_sql(_INSERT, (*columns, [k.wrapped_dek for k in ordered]))
