"""What a source system may say: its own facts, in its own units' names, and nothing else.

1. A *binding* ties one client to its CloudEvents `source` values, event types and units. What it does not name, the
   client may not say: the ingestion door refuses it, and each consumer parks it.
2. Who wrote a record is known from its topic alone: `case.events.<source>` belongs to one source, `case.events.http` to
   advis, which names the source that it took the event from. On the former `case.events` anybody may have written: its
   events are judged by their CloudEvents `source` until the change-over ends.
3. `SOF->BIF` comes from a unit of SOF, and `cpr.*` from civil registration. What the system itself says
   (`samtykke.*`, `faellessag.*`) comes from no source.
4. No two bindings share a client, a CloudEvents `source` or a unit's cases, so that none can touch another's.

The same functions are used by the door, both consumers and `samtykkebro events check`.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from libs.common.wire.identifiers import RECORDED, EventId, EventSource, Identity
from libs.common.wire.messages import CASE_EVENTS, HTTP_EVENTS
from libs.common.wire.values import read_yaml

CIVIL_REGISTRATION: Final = "cpr"
FATES_MAX: Final = 100  # events in one question
OURS: Final = frozenset({"samtykke", "faellessag"})  # first words of the types that the system itself says
_CASE_STEPS: Final = ("aabnet", "lukket", "sagsbehandlerskift")

SourceCode = Annotated[
    str, Field(pattern=r"^[a-z](-?[a-z0-9]){1,29}$", description="also the end of its topic's name"), RECORDED
]
TypePattern = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z0-9_]+)*(\.\*)?$", max_length=80), RECORDED]
UnitPattern = Annotated[str, Field(pattern=r"^[A-ZÆØÅ0-9]+(-[A-ZÆØÅ0-9]+)*(-\*)?$", max_length=64), RECORDED]


class Violation(StrEnum):
    """Why a record is not what its writer may say; the reason under which it is parked."""

    UNKNOWN = "unknown_source"
    SOURCE = "not_its_source"
    TYPE = "not_its_type"
    UNIT = "not_its_unit"
    DIRECTION = "wrong_direction"
    CLOSED = "topic_closed"


class Binding(BaseModel):
    """One source in force. Patterns are a code, or its beginning and `*`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: SourceCode
    client_id: Identity
    event_sources: tuple[EventSource, ...] = Field(min_length=1, max_length=20)
    event_types: tuple[TypePattern, ...] = Field(min_length=1, max_length=100)
    units: tuple[UnitPattern, ...] = Field(min_length=1, max_length=200)
    civil_registration: bool = False

    @property
    def topic(self) -> str:
        """The topic that this source alone writes."""
        return topic_of(self.code)


class BindingsAnswer(BaseModel):
    """`GET /v1/sources` of consent: every source in force now, and each unit's administration, closed units' too.

    The same revision means the same reference data.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    revision: int
    items: tuple[Binding, ...]
    units: Mapping[str, str]


class EventNamed(BaseModel):
    """What names an event of a source's: its CloudEvents source and id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: EventSource
    event_id: EventId


class ParkedRequest(BaseModel):
    """`POST /v1/case-events:parked` of consent: which of these events of one source did its consumer park."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: SourceCode
    events: tuple[EventNamed, ...] = Field(min_length=1, max_length=FATES_MAX)


class ParkedAnswer(BaseModel):
    """The reason for each, in the order asked; null where it was not parked, or was handled after all."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reasons: tuple[str | None, ...]


class SourcesError(Exception):
    """The file of sources cannot be read, or contradicts itself. The text names the source and the field."""


def topic_of(code: str) -> str:
    """The topic of the source with this code."""
    return f"{CASE_EVENTS}.{code}"


def case_topics(bindings: Iterable[Binding]) -> tuple[str, ...]:
    """Every topic on which case events come, the former one and the door's first."""
    return (CASE_EVENTS, HTTP_EVENTS, *sorted(binding.topic for binding in bindings))


def violation(
    binding: Binding, *, source: str, kind: str, unit: str, direction: str, administration: str | None
) -> Violation | None:
    """Why this client may not say this; None when it may.

    `direction` is the event type's in the reference data, `administration` the unit's, None for an unknown unit.
    """
    if source not in binding.event_sources:
        return Violation.SOURCE
    if not matches(kind, binding.event_types) or (speaks_for_registry(kind) and not binding.civil_registration):
        return Violation.TYPE
    if not matches(unit, binding.units):
        return Violation.UNIT
    speaker = speaker_of(kind, direction)
    if speaker is None or speaker not in {CIVIL_REGISTRATION, administration}:
        return Violation.DIRECTION
    return None


def speaks_for_registry(kind: str) -> bool:
    """Whether an event type is a fact of civil registration."""
    return kind.partition(".")[0] == CIVIL_REGISTRATION


def speaker_of(kind: str, direction: str) -> str | None:
    """Who says such an event: an administration's code, CIVIL_REGISTRATION, or None where it is never a source."""
    first = kind.partition(".")[0]
    if first in OURS:
        return None
    if speaks_for_registry(kind):
        return CIVIL_REGISTRATION
    teller, arrow, _ = direction.partition("->")
    return teller if arrow else first.upper()


def matches(code: str, patterns: Iterable[str]) -> bool:
    """Whether a code is one of the patterns."""
    return any(fnmatchcase(code, pattern) for pattern in patterns)


def by_client(bindings: Iterable[Binding], client_id: str) -> Binding | None:
    """The binding of a client."""
    return next((binding for binding in bindings if binding.client_id == client_id), None)


def by_source(bindings: Iterable[Binding], event_source: str) -> Binding | None:
    """The binding that a CloudEvents `source` belongs to."""
    return next((binding for binding in bindings if event_source in binding.event_sources), None)


def contradiction(bindings: Sequence[Binding], units: Iterable[str]) -> tuple[str, str] | None:
    """The first (code, field) with which one source could reach into another; None when each has its own.

    `units`: every unit's code. A unit's cases are opened and closed by one source, since a case is known by its unit
    and the unit's own reference.
    """
    known = tuple(units)
    seen: dict[tuple[str, str], str] = {}
    for binding in bindings:
        own = [("client_id", binding.client_id), *(("event_sources", one) for one in binding.event_sources)]
        own += [("units", unit) for unit in known if _speaks_of_cases(binding, unit)]
        if binding.topic == HTTP_EVENTS:
            return binding.code, "code"
        for field, value in own:
            if seen.setdefault((field, value), binding.code) != binding.code:
                return binding.code, field
    return None


def _speaks_of_cases(binding: Binding, unit: str) -> bool:
    administration = unit.partition("-")[0].lower()
    steps = (f"{administration}.sag.{step}" for step in _CASE_STEPS)
    return matches(unit, binding.units) and any(matches(step, binding.event_types) for step in steps)


def load_sources(folder: Path) -> tuple[Binding, ...]:
    """The newest version of every source in the folder's `sources.yaml`. Raises SourcesError.

    For what must be known before any service runs: topics and who may write them. What is in force is consent's word.
    """
    path = folder / "sources.yaml"
    try:
        content: list[Mapping[str, Any]] = read_yaml(path)
        newest = {entry["code"]: entry for entry in sorted(content, key=lambda entry: int(entry["version"]))}
        found = TypeAdapter(tuple[Binding, ...]).validate_python(tuple(newest.values()))
    except ValidationError as error:
        first = error.errors()[0]
        raise SourcesError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SourcesError(f"{path.name}: cannot be read") from error
    if wrong := contradiction(found, ()):
        raise SourcesError(f"{path.name}: {wrong[0]}: {wrong[1]}: is another source's")
    return found
