"""Checks a file of case events offline by the rules of the ingestion door (docs/sources.md).

1. A file is one CloudEvents document, a batch (a JSON list), or one document a line (JSON Lines); UTF-8, a BOM is let
   pass.
2. A finding names the place, the field and why; it never repeats what the file says, which may be a personal number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from libs.common.bus import case_events
from libs.common.bus.case_events import CaseEvent, Vocabulary
from libs.common.http.problems import InvalidError
from libs.common.wire.sources import Binding, by_source, load_sources
from libs.common.wire.values import JsonError, strict_json


class UnreadableFileError(Exception):
    """The file cannot be read at all; nothing is said about its events."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one event: `place` is `line 3` or `event 3`, counted from 1; `field` as the door names it."""

    place: str
    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Checked:
    """How many events the file has, and what is wrong with them."""

    events: int
    findings: tuple[Finding, ...]


def check_file(path: Path, reference: Path, *, source: str | None = None, now: datetime | None = None) -> Checked:
    """Check every event of the file. Raises UnreadableFileError, and SourcesError for unreadable reference data.

    `source`: the code of the source that sends the file; without it, the one that each CloudEvents `source` belongs to.
    """
    bindings, vocabulary = load_sources(reference), load_vocabulary(reference)
    if source is not None and source not in {binding.code for binding in bindings}:
        raise UnreadableFileError(f"{source} is no source in {reference / 'sources.yaml'}")
    own = next((binding for binding in bindings if binding.code == source), None)
    findings: list[Finding] = []
    seen: dict[tuple[str, str], bytes] = {}
    count = 0
    for place, document in _documents(path):
        count += 1
        try:
            if isinstance(document, JsonError):
                raise InvalidError("body", str(document))
            taken = case_events.from_document(document, "", now=now or datetime.now(UTC))
            _judge(taken, own or by_source(bindings, taken.event.source), vocabulary)
            _same_once(taken, seen)
        except InvalidError as error:
            findings += [Finding(place, one.field, one.message) for one in error.errors]
    return Checked(count, tuple(findings))


def load_vocabulary(reference: Path) -> Vocabulary:
    """Event types and units as the folder's files have them. Raises UnreadableFileError."""
    try:
        types = yaml.safe_load((reference / "event_types.yaml").read_text(encoding="utf-8"))
        units = yaml.safe_load((reference / "units.yaml").read_text(encoding="utf-8"))
        return Vocabulary(
            {entry["code"]: entry["direction"] for entry in types},
            {entry["code"]: entry["administration"] for entry in units},
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"the reference data in {reference} cannot be read") from error


def _judge(taken: CaseEvent, binding: Binding | None, vocabulary: Vocabulary) -> None:
    if binding is None:
        raise InvalidError("source", "belongs to no source in sources.yaml (unknown_source)")
    if wrong := case_events.judge(binding, taken.event, taken.data, vocabulary):
        raise InvalidError(_FIELD_OF.get(wrong, "type"), f"is not {binding.code}'s to say ({wrong})")
    case_events.require_known(taken, "", vocabulary)


_FIELD_OF = {"not_its_source": "source", "not_its_unit": "data.unit", "wrong_direction": "data.unit"}


def _same_once(taken: CaseEvent, seen: dict[tuple[str, str], bytes]) -> None:
    said = f"{taken.event.type} {taken.subject} {taken.event.time}".encode() + taken.event.data
    if seen.setdefault((taken.event.source, taken.event.id), said) != said:
        raise InvalidError("id", "is used for another event earlier in the file")


def _documents(path: Path) -> Iterator[tuple[str, Any]]:
    """Each event with its place; a line that is no JSON as the JsonError itself."""
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read") from error
    if not content.strip():
        raise UnreadableFileError("the file is empty")
    try:
        whole = strict_json(content)
    except JsonError as error:
        lines = [(number, line) for number, line in enumerate(content.splitlines(), start=1) if line.strip()]
        if len(lines) < 2:
            raise UnreadableFileError(f"the file is no JSON: {error}") from error
        yield from ((f"line {number}", _parsed(line)) for number, line in lines)
        return
    events = whole if isinstance(whole, list) else [whole]
    yield from ((f"event {number}", document) for number, document in enumerate(events, start=1))


def _parsed(line: bytes) -> Any:
    try:
        return strict_json(line)
    except JsonError as error:
        return error
