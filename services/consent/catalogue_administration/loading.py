"""Loads the reference files into the database, as its owner: part of `migrate`, safe to repeat.

A version is known by (kind, code, number), and has one origin (R35):

1. A version that was published never changes: only its end may be set, and once that has passed it stays. Anything else
   is refused, because a consent that was given pins the version it was given under. `source`, the document that an
   entry rests on, is for whoever maintains the catalogue and may be corrected.
2. What an administrator made through the API stays, whatever the files say. A file that claims the number of such a
   version is refused: its version takes the next number.
3. An end that an administrator set stays too. A file that says nothing of it agrees; one that says another is refused.
4. Files that the linter refuses are refused (`catalogue_files`).
5. The words of a version that is new pass the check of the administrator's door; what is stored already stays as it is.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from libs.common.database.database import ReadSession, WriteSession, clock
from libs.common.wire.identifiers import fault_of
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.form import RawEntry, build, revision_of
from services.consent.model.calendar import danish_date
from services.consent.model.errors import CatalogueError

Key = tuple[str, str, int]

_MAY_CHANGE = {"valid_to", "source"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be stored, its revision, and the revision of what it was made from."""

    raw: tuple[RawEntry, ...]
    revision: int
    before: int


async def prepare(session: ReadSession, raw: Sequence[RawEntry]) -> Prepared:
    """What the files, read by `catalogue_files.read`, make of what is stored. Raises CatalogueError naming where."""
    published = await catalogue_store.entries(session)
    today = danish_date(await clock(session))
    made = merged(published, raw, today)
    return Prepared(made, build(made).revision, revision_of(published))


async def load(session: WriteSession, prepared: Prepared) -> None:
    """Store what was prepared. Raises CatalogueError when somebody changed the catalogue meanwhile.

    It is prepared before the transaction begins: one that idles for half a second loses its session.
    """
    if revision_of(await catalogue_store.entries(session)) != prepared.before:
        raise CatalogueError("database", "catalogue", "revision", "was changed meanwhile: run migrate again")
    await catalogue_store.save(session, prepared.raw, prepared.revision)


def merged(published: Iterable[RawEntry], raw: Iterable[RawEntry], today: date) -> tuple[RawEntry, ...]:
    """The files' versions and the administrators'. Raises CatalogueError for what contradicts what was published."""
    offered = {_key(entry): entry for entry in raw}
    kept, known = [], set()
    for old in published:
        known.add(_key(old))
        new = offered.get(_key(old))
        if old.origin == "file":
            offered[_key(old)] = _agreed(old, new, today)
        elif new is not None:
            raise _refused(old, "version", "was made through the administration: give the file's the next number")
        else:
            kept.append(old)
    for key in offered.keys() - known:
        _require_words(offered[key])
    return (*offered.values(), *kept)


def _require_words(entry: RawEntry) -> None:
    for field, text in _texts(entry.body):
        if not unicodedata.is_normalized("NFC", text):
            raise _refused(entry, field, "must be in Unicode's normal form C")
        if fault := fault_of(text, lines=field.startswith(("da.", "en."))):
            raise _refused(entry, field, fault)


def _texts(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text in an entry with the dotted name of its field."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{at}.{name}" if at else str(name))
    elif isinstance(value, list):
        for nth, inner in enumerate(value):
            yield from _texts(inner, f"{at}.{nth}")


def _agreed(old: RawEntry, new: RawEntry | None, today: date) -> RawEntry:
    if new is None:
        raise _refused(old, "version", "was published and is missing")
    for name in sorted(old.body):
        if name not in _MAY_CHANGE and new.body.get(name) != old.body[name]:
            raise _refused(old, name, "was published and has changed: add the next version")
    was, says = old.body["valid_to"], new.body["valid_to"]
    if old.ended and says is None:
        return old
    if old.ended and says != was:
        raise _refused(old, "valid_to", "was set through the administration to another day")
    if was is not None and date.fromisoformat(was) <= today and says != was:
        raise _refused(old, "valid_to", "has passed and stays: add the next version")
    return replace(new, ended=old.ended)


def _refused(entry: RawEntry, field: str, problem: str) -> CatalogueError:
    _, code, version = _key(entry)
    return CatalogueError(f"{entry.kind}.yaml", f"{code} v{version}", field, problem)


def _key(entry: RawEntry) -> Key:
    return entry.kind, entry.body["code"], entry.body["version"]
