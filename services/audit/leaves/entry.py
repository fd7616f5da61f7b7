"""What a leaf says, and what it only commits to. The format is `README.md`, "The leaf"; it outlives this code.

1. A leaf holds no personal data. Who, whose, which unit, which objects and why are commitments under random salts
   (GDPR art. 5(1)(c) and 17: with the openings gone, nobody can tell what was committed to).
2. A salt is exactly 32 bytes: HMAC pads a key with zeros, so a verifier that takes 33 bytes accepts two openings.
3. A commitment covers the leaf's id and the field's name, so an opening fits one field of one leaf.
4. Whatever is hashed is canonical in a profile where every JSON library agrees (RFC 8785 §3.2.2–3.2.3, no floats).
5. `actor` is kept under the actor's key, everything else under the subject's, so that each can be erased alone.
"""

import hmac
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from services.audit.model.errors import EntryError, ProfileError

VERSION = 1
LEAF_BYTES_MAX = 16_384
SALT_BYTES = 32
LEAF_ID_BYTES = 16
ENTRY_SCHEMA = "audit-entry/1"
LOG_SCHEMA = "audit-log/1"
LOG_PRODUCER = "audit-log"  # the producer of what the log says itself; it has no numbers
CITIZEN = "citizen"  # the actor of a citizen's own act: no person of its own, the subject is
INTEGER_MAX = 2**53 - 1
DEPTH_MAX = 8

PRIVATE_FIELDS = ("subject", "actor", "unit", "objects", "reason", "correlation_id", "entry_id")
_PREFIX = b"audit/v1"
_ARRAYS = (list, tuple)


class Person(NamedTuple):
    """Whose key an opening is under. `kind` is `subject` or `actor`: one may be erased without the other."""

    kind: str
    name: str


class Numbered(NamedTuple):
    """Who numbered an entry, and how: `number` is 1, 2, 3 … per (producer, generation, lane)."""

    producer: str
    generation: int
    lane: int
    number: int


class Gap(NamedTuple):
    """The numbers `first` to `last` of a lane that were missing when the grace had passed."""

    producer: str
    generation: int
    lane: int
    first: int
    last: int


class Place(NamedTuple):
    """Where a record lay on the bus."""

    topic: str
    partition: int
    offset: int


class Act(NamedTuple):
    """One thing that was done. `occurred_at` is RFC 3339 with whole seconds and `Z`; `private` holds PRIVATE_FIELDS."""

    type: str
    action: str
    outcome: str
    occurred_at: str
    actor_role: str
    private: Mapping[str, Any] = MappingProxyType({})
    purposes: tuple[str, ...] = ()
    legal_basis: str | None = None
    notice_sha256: str | None = None
    retention_class: str = "operations"
    schema: str = LOG_SCHEMA
    gap: Gap | None = None


class Header(NamedTuple):
    """What this service adds to an act: which log, a fresh random id (16 bytes), when it was recorded."""

    log: str
    tenant: str
    leaf_id: bytes
    recorded_at: str


def leaf_document(
    act: Act, header: Header, *, numbered: Numbered | None, place: Place | None, commitments: Mapping[str, str]
) -> dict[str, Any]:
    """The members of a leaf, every one of them, in no particular order. Raises EntryError for an unknown field."""
    if not set(commitments) <= set(PRIVATE_FIELDS):
        raise EntryError("unknown_private_field")
    return {
        "v": VERSION,
        "log": header.log,
        "id": header.leaf_id.hex(),
        "tenant": header.tenant,
        "schema": act.schema,
        "type": act.type,
        "action": act.action,
        "outcome": act.outcome,
        "occurred_at": act.occurred_at,
        "recorded_at": header.recorded_at,
        "actor_role": act.actor_role,
        "purposes": sorted(act.purposes),
        "legal_basis": act.legal_basis,
        "notice_sha256": act.notice_sha256,
        "retention_class": act.retention_class,
        "producer": numbered.producer if numbered else LOG_PRODUCER,
        "generation": numbered.generation if numbered else None,
        "lane": numbered.lane if numbered else None,
        "number": numbered.number if numbered else None,
        "src": place and {"topic": place.topic, "partition": place.partition, "offset": place.offset},
        "gap": act.gap and _gap_document(act.gap),
        "sd": dict(commitments),
    }


def _gap_document(gap: Gap) -> dict[str, Any]:
    return {
        "producer": gap.producer,
        "generation": gap.generation,
        "lane": gap.lane,
        "first": gap.first,
        "last": gap.last,
    }


def commitment(salt: bytes, leaf_id: bytes, name: str, value: bytes) -> str:
    """The commitment to a field, 64 hex digits. `value` is its canonical JSON. Raises EntryError for a wrong length."""
    if len(salt) != SALT_BYTES:
        raise EntryError("salt_length")
    if len(leaf_id) != LEAF_ID_BYTES:
        raise EntryError("leaf_id_length")
    return hmac.digest(salt, _PREFIX + leaf_id + name.encode("ascii") + b"\0" + value, "sha256").hex()


def opens(committed: str, salt: bytes, leaf_id: bytes, *, name: str, value: bytes) -> bool:
    """Whether this salt and value are what was committed to. A salt of any other length never is."""
    if len(salt) != SALT_BYTES or len(leaf_id) != LEAF_ID_BYTES:
        return False
    return hmac.compare_digest(commitment(salt, leaf_id, name, value), committed)


def holders_of(private: Mapping[str, Any]) -> tuple[Person, Person]:
    """Under whose keys an act's openings are kept: that of `actor`, and those of all else. Raises EntryError."""
    actor, subject = private.get("actor"), private.get("subject")
    if not isinstance(actor, str) or not actor:
        raise EntryError("no_actor")
    if subject is None:
        return Person("actor", actor), Person("actor", actor)
    citizen = Person("subject", str(subject))
    return (citizen if actor == CITIZEN else Person("actor", actor)), citizen


def require_profile(value: Any, depth: int = 0) -> None:
    """Raises ProfileError unless every JSON library that sorts its members writes `value` alike.

    Exact types only: a subclass may be written as something else than it compares as.
    """
    kind = type(value)
    if kind is dict:
        _require_names(value)
        members: Iterable[Any] = value.values()
    else:
        members = value if kind in _ARRAYS else (value,)
    if depth > DEPTH_MAX:
        raise ProfileError("too_deep")
    for member in members:
        kind = type(member)
        if kind is str:
            if not member.isascii():
                _require_text(member)
        elif kind is int:
            if not -INTEGER_MAX <= member <= INTEGER_MAX:
                raise ProfileError("integer_too_large")
        elif kind is dict or kind in _ARRAYS:
            require_profile(member, depth + 1)
        elif member is not None and kind is not bool:
            raise ProfileError("not_in_profile")


def _require_names(members: Mapping[Any, Any]) -> None:
    for name in members:
        _require_name(name)


@lru_cache(maxsize=1024, typed=True)  # the same few names in every leaf; a refusal is not remembered
def _require_name(name: Any) -> None:
    if type(name) is not str or not name.isascii() or not name.isprintable():
        raise ProfileError("member_name")


def _require_text(value: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ProfileError("lone_surrogate")
    if not unicodedata.is_normalized("NFC", value):
        raise ProfileError("not_nfc")
