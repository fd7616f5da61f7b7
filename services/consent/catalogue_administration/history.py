"""What may be done with the versions of one entry (R35). Nothing here edits a version that has been in force.

1. A new version gets the next number and begins today or later, after every version before it; it ends the one before.
2. What has ended begins again tomorrow at the earliest, and no two versions begin on one day: so the days themselves
   tell of every gap, which `coverage` relies on.
3. An end is set today or later; one that has passed stays.
4. A version that has not begun may be taken back: it then ends where it begins, and keeps its number. The version that
   it would have followed goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from services.consent.catalogue.entries import Entry

Versions = tuple[Entry, ...]


class HistoryError(Exception):
    """The change would rewrite what has been in force, or hide a gap. `field`: what in the request was wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Edit:
    """`ends`: version → its end from now on. `version`: the number of the version that is added, None for none."""

    version: int | None = None
    ends: Mapping[int, date | None] = field(default_factory=dict)


def add(versions: Versions, *, valid_from: date, valid_to: date | None, today: date) -> Edit:
    """The next version of an entry, or the first. Raises HistoryError."""
    if valid_from < today:
        raise HistoryError("valid_from", "must be today or later")
    if valid_to is not None and valid_to <= valid_from:
        raise HistoryError("valid_to", "must be after valid_from")
    last = _last(versions)
    if last is not None and valid_from <= last.valid_from:
        raise HistoryError("valid_from", f"must be after that of version {last.version}, which may be taken back")
    if _is_closed(versions, today) and valid_from == today:
        raise HistoryError("valid_from", "must be tomorrow or later: what has ended begins again on another day")
    follows = last is not None and (last.valid_to is None or last.valid_to > valid_from)
    ends = {last.version: valid_from} if last is not None and follows else {}
    return Edit(max((item.version for item in versions), default=0) + 1, ends)


def close(versions: Versions, *, valid_to: date | None, today: date) -> Edit:
    """Set, move or lift the end of the newest version. Raises HistoryError."""
    last = _last(versions)
    if last is None or (last.valid_to is not None and last.valid_to <= today):
        raise HistoryError("valid_to", "has passed and stays: add a version to begin again")
    if last.valid_from > today:
        raise HistoryError("valid_to", f"cannot be set before version {last.version} begins: take that back instead")
    if valid_to is not None and valid_to < today:
        raise HistoryError("valid_to", "must be today or later")
    return Edit(ends={last.version: valid_to})


def take_back(versions: Versions, version: int, today: date) -> Edit:
    """Let a version that has not begun never begin. Raises HistoryError when it has, or another follows it."""
    last = _last(versions)
    if last is None or last.version != version or last.valid_from <= today:
        raise HistoryError("version", "only the newest version can be taken back, and only before it begins")
    before = _last(tuple(item for item in versions if item is not last))
    restored = {before.version: None} if before is not None and before.valid_to == last.valid_from else {}
    return Edit(ends={version: last.valid_from, **restored})


def replace_future(versions: Versions, version: int, *, valid_from: date, valid_to: date | None, today: date) -> Edit:
    """Take a version back that has not begun, and add another. Raises HistoryError."""
    taken = take_back(versions, version, today)
    left = tuple(
        replace(item, valid_to=taken.ends[item.version]) if item.version in taken.ends else item for item in versions
    )
    added = add(left, valid_from=valid_from, valid_to=valid_to, today=today)
    return Edit(added.version, {**taken.ends, **added.ends})


def _last(versions: Versions) -> Entry | None:
    return next((item for item in reversed(versions) if not item.withdrawn), None)


def _is_closed(versions: Versions, today: date) -> bool:
    """Whether something of the entry has been in force, and nothing is today."""
    return not any(item.valid_on(today) for item in versions) and any(item.valid_from <= today for item in versions)
