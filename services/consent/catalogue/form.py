"""The form of reference data: one entry of one file, as a JSON value, to and from the domain's catalogue.

1. Every field is required and every unknown field refused, with a message that names file, entry and field.
2. The revision of a catalogue is the first 63 bits of the SHA-256 over its canonical content.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from hashlib import sha256
from typing import Any, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from libs.common.running.settings import nearest
from libs.common.wire.values import END_HINT, FormatError, parse_day
from services.consent.catalogue.checks import check, turning_days
from services.consent.catalogue.entries import (
    Catalogue,
    Category,
    Entry,
    EventType,
    LegalBasis,
    Policy,
    Purpose,
    Text,
    Unit,
    UnitMapping,
    index,
)
from services.consent.catalogue.source import Source
from services.consent.catalogue.source_bindings import check_sources
from services.consent.model.errors import CatalogueError

KINDS: dict[str, type[Entry]] = {
    "units": Unit,
    "categories": Category,
    "legal_bases": LegalBasis,
    "purposes": Purpose,
    "texts": Text,
    "event_types": EventType,
    "policies": Policy,
    "unit_mappings": UnitMapping,
    "sources": Source,
}
"""Kind → its entry. The file of a kind is `<kind>.yaml`; unit mappings are recorded through the API alone (R36)."""
FILE_KINDS = tuple(kind for kind in KINDS if kind != "unit_mappings")
DECIDING = ("units", "unit_mappings", "categories", "legal_bases", "purposes", "policies")
"""The kinds that a decision reads; what else changes never breaks a coverage."""
_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind: TypeAdapter(entry) for kind, entry in KINDS.items()}


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One entry as a JSON value, and the kind that says how to read it.

    `origin`: `file`, or `api` when an administrator made it. `ended`: whether an administrator set its end.
    """

    kind: str
    body: dict[str, Any]
    origin: str = "file"
    ended: bool = False


def revision_of(raw: Sequence[RawEntry]) -> int:
    """A positive 63-bit number that stands for exactly this content, whatever its order."""
    lines = sorted(orjson.dumps([entry.kind, entry.body], option=orjson.OPT_SORT_KEYS) for entry in raw)
    return int.from_bytes(sha256(b"\n".join(lines)).digest()[:8]) >> 1


def build(raw: Sequence[RawEntry]) -> Catalogue:
    """The catalogue of these entries. Raises CatalogueError naming file, entry and field."""
    parsed: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for position, entry in enumerate(raw, start=1):
        parsed[entry.kind].append(_parse(entry, position))
    kinds: dict[str, Any] = {kind: index(found) for kind, found in parsed.items()}
    turns = turning_days(entry for kind in DECIDING for entry in parsed[kind])
    catalogue = Catalogue(revision=revision_of(raw), turns=turns, **kinds)
    check(catalogue)
    check_sources(catalogue)
    return catalogue


def require_form(raw: Sequence[RawEntry]) -> None:
    """Raises CatalogueError where an entry has another type than its field. What is stored already is read mildly."""
    for position, entry in enumerate(raw, start=1):
        _require_types(entry, *_place(entry, position))


def _require_types(entry: RawEntry, file: str, name: str) -> None:
    for field in fields(KINDS[entry.kind]):
        given = entry.body.get(field.name)
        if field.type in (date, date | None) and isinstance(given, str):
            try:
                parse_day(given, hint=END_HINT)
            except FormatError as error:
                raise CatalogueError(file, name, field.name, str(error)) from None
    try:
        _ADAPTERS[entry.kind].validate_json(orjson.dumps(entry.body), strict=True)
    except ValidationError as error:
        raise CatalogueError(file, name, *_first(error)) from error


def _place(entry: RawEntry, position: int) -> tuple[str, str]:
    return f"{entry.kind}.yaml", f"{entry.body.get('code', f'entry {position}')} v{entry.body.get('version', '?')}"


def _first(error: ValidationError) -> tuple[str, str]:
    """The first field that does not fit, and why."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]) or "entry", first["msg"]


def _parse(entry: RawEntry, position: int) -> Entry:
    file, name = _place(entry, position)
    known = [field.name for field in fields(KINDS[entry.kind])]
    unknown = sorted(set(entry.body) - set(known))
    if unknown:
        raise CatalogueError(file, name, unknown[0], f"is not a field of this kind{nearest(unknown[0], known)}")
    try:
        parsed = cast(Entry, _ADAPTERS[entry.kind].validate_python(entry.body))
    except ValidationError as error:
        raise CatalogueError(file, name, *_first(error)) from error
    for field, near in _unread(entry.body, _ADAPTERS[entry.kind].dump_python(parsed, mode="json")):
        raise CatalogueError(file, name, field, f"is not a field of this kind{near}")
    return parsed


def _unread(given: Any, read: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """The keys inside `given`, at any depth, that did not reach `read`, each with what it may have been meant to be."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            if key not in read:
                yield f"{at}{key}", nearest(key, read)
            else:
                yield from _unread(value, read[key], f"{at}{key}.")
    elif isinstance(given, list) and isinstance(read, list):
        for nth, (value, kept) in enumerate(zip(given, read, strict=False)):
            yield from _unread(value, kept, f"{at}{nth}.")
