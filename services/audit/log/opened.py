"""A stored leaf with what it commits to, opened and checked: nothing is shown that does not open its commitment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from services.audit.keys.vault import Opened, PersonKey, SealError, Vault, unseal
from services.audit.leaves.canonical import canonical
from services.audit.leaves.entry import opens
from services.audit.log.entries_store import Found


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `missing`: committed to, and its opening erased. `mismatched`: opened to what was not committed to."""

    index: int
    leaf: Mapping[str, Any]
    opened: Mapping[str, Any]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]


def keys_of(vault: Vault, wrapped: Mapping[UUID, bytes]) -> dict[UUID, PersonKey]:
    """The keys that unwrap; one that does not is treated as erased, and its openings count as mismatched."""
    keys: dict[UUID, PersonKey] = {}
    for ref, dek in wrapped.items():
        try:
            keys[ref] = vault.unwrap(ref, dek)
        except SealError:
            continue
    return keys


def read_entry(found: Found, keys: Mapping[UUID, PersonKey]) -> Entry:
    """Open what can be opened of one stored leaf."""
    leaf: dict[str, Any] = orjson.loads(found.body)
    leaf_id = bytes.fromhex(leaf["id"])
    sealed_away, secrets = _unsealed(found, keys, leaf["log"], leaf_id)
    opened: dict[str, Any] = {}
    mismatched: list[str] = []
    for name, (salt, value) in secrets.items():
        if opens(leaf["sd"].get(name, ""), salt, leaf_id, name=name, value=canonical(value)):
            opened[name] = value
        else:
            mismatched.append(name)
    rest: Sequence[str] = sorted(leaf["sd"].keys() - opened.keys() - set(mismatched))
    # An opening that is there and does not decrypt was tampered with: nobody may take it for erased.
    return Entry(
        found.index,
        leaf,
        opened,
        missing=() if sealed_away else tuple(rest),
        mismatched=tuple(sorted([*mismatched, *(rest if sealed_away else ())])),
    )


def _unsealed(found: Found, keys: Mapping[UUID, PersonKey], log: str, leaf_id: bytes) -> tuple[bool, Opened]:
    """Whether an opening stayed closed, and the fields of the others."""
    secrets: Opened = {}
    closed = False
    for sealed in found.openings:
        key = keys.get(sealed.ref)
        try:
            if key is None:
                raise SealError("key")
            secrets |= unseal(key, sealed, log=log, leaf_id=leaf_id)
        except SealError:
            closed = True
    return closed, secrets
