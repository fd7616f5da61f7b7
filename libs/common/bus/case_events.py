"""A case event as a source says it: one reading for the ingestion door, both consumers and `samtykkebro events check`.

1. What the contract does not name is refused at the door: nobody could say that it holds no name and no number (P10).
2. Who says it is known from the client at the door, and from the topic on the bus; `sources.violation` judges both.
3. An event that could have no effect is refused or parked with a reason code, never taken silently.
4. An event is named by its source system, its CloudEvents `source` and its id together: no source can use up, or
   learn of, another's ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import ValidationError

from libs.common.bus import cloudevents
from libs.common.bus.cloudevents import CloudEvent, from_delivery, is_ahead
from libs.common.bus.port import Delivery, PoisonRecordError
from libs.common.http.problems import FieldError, InvalidError, from_validation
from libs.common.wire.identifiers import EVENT_ID_FORM, SOURCE_FORM, is_event_id, parse_uuid
from libs.common.wire.messages import CASE_EVENTS, HTTP_EVENTS, CaseEventData
from libs.common.wire.sources import Binding, Violation, by_source, violation
from libs.common.wire.values import EVENT_EARLIEST

DATA_SCHEMA: Final = "urn:samtykkebro:schema:case-event-v1"
SOURCE_SYSTEM: Final = "sourcesystem"
"""The attribute by which the door says, on `case.events.http`, whose event it took. Read on no other topic."""

CORRECTS: Final = "corrects"
"""The attribute that names, by its id, the earlier event of the same source which this one corrects (R18)."""

_KNOWN_ATTRIBUTES: Final = frozenset(
    {
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"),
        *("correlationid", "partitionkey", "data", CORRECTS),
    }
)
_KNOWN_FIELDS: Final = frozenset(CaseEventData.model_fields)
_FORMS: Final = {
    "id": EVENT_ID_FORM,
    "source": SOURCE_FORM,
    "time": f"must be an RFC 3339 date-time with an offset, from {EVENT_EARLIEST.year} on",
}
_CUSTODY: Final = "cpr.foraeldremyndighed_aendret"
_BIRTHDAYS: Final = "cpr.fylder_"
_CASE_STEPS: Final = frozenset({"aabnet", "lukket", "sagsbehandlerskift"})

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The codes that an event may use: event type → direction, unit → administration."""

    event_types: Mapping[str, str]
    units: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """A case event that has been read: the envelope, its data, whom it is about, and the source system's code.

    `resent`: the operator sent the record again, after it had been parked.
    """

    event: CloudEvent
    data: CaseEventData
    subject: UUID
    system: str
    resent: bool = False

    @property
    def key(self) -> Key:
        """What names the event among all sources' (CloudEvents 1.0 §3.1, and the source system before it)."""
        return key_of(self.system, self.event.source, self.event.id)

    @property
    def corrects(self) -> Key | None:
        """What names the event that this one corrects: one of the same source, since the key holds the source."""
        earlier = self.event.extensions.get(CORRECTS)
        return None if earlier is None else key_of(self.system, self.event.source, earlier)


def key_of(system: str, source: str, event_id: str) -> Key:
    """The inbox key of an event. A code holds no `|`, so two sources' keys never meet."""
    return f"{system}|{source}", event_id


def step_of(kind: str) -> str | None:
    """The step of a case that `<administration>.sag.<word>` stands for; None for every other event type."""
    words = kind.split(".")
    return words[2] if len(words) == 3 and words[1] == "sag" and words[2] in _CASE_STEPS else None


def missing_field(kind: str, data: CaseEventData) -> str | None:
    """The field of `data` without which this type of event can have no effect; None when it is there."""
    if kind == _CUSTODY and data.custody_holders is None and not data.annulled:
        return "custody_holders"
    step = step_of(kind)
    if step is None:
        return None
    if data.case_reference is None:
        return "case_reference"
    return "caseworker" if data.caseworker is None and step != "lukket" and not data.annulled else None


def wrong_correction(event: CloudEvent, data: CaseEventData) -> str | None:
    """Why this correction could have no effect, as a code; None for one that can, and for what is no correction."""
    if CORRECTS not in event.extensions:
        return "corrects_nothing" if data.annulled is not None else None
    if not is_event_id(event.extensions[CORRECTS]):
        return "corrects_nothing"
    handed_over = step_of(event.type) == "sagsbehandlerskift"
    birthday = event.type.startswith(_BIRTHDAYS)  # follows from the birth date, whatever the message says
    return "not_correctable" if birthday or (handed_over and data.annulled) else None


def judge(binding: Binding, event: CloudEvent, data: CaseEventData, vocabulary: Vocabulary) -> Violation | None:
    """Why this source may not say this; None when it may."""
    return violation(
        binding,
        source=event.source,
        kind=event.type,
        unit=data.unit,
        direction=vocabulary.event_types.get(event.type, ""),
        administration=vocabulary.units.get(data.unit),
    )


# From the bus


def writer_of(delivery: Delivery, event: CloudEvent, bindings: Sequence[Binding], former_until: date) -> Binding:
    """The source whose record this is, known from its topic. Raises PoisonRecordError with a Violation's code.

    On the former `case.events`, read until `former_until` by the record's timestamp, the CloudEvents `source` says.
    """
    if delivery.topic == CASE_EVENTS and delivery.timestamp.date() >= former_until:
        raise PoisonRecordError(Violation.CLOSED)
    code = system_of(delivery, {**event.extensions, "source": event.source}, bindings)
    found = next((binding for binding in bindings if binding.code == code), None)
    if found is None:
        raise PoisonRecordError(Violation.UNKNOWN)
    return found


def system_of(delivery: Delivery, attributes: Mapping[str, str], bindings: Sequence[Binding]) -> str | None:
    """The code of the source whose record this is, whether or not it may write; None where nobody can say."""
    if delivery.topic == CASE_EVENTS:
        found = by_source(bindings, attributes["source"])
        return None if found is None else found.code
    if delivery.topic == HTTP_EVENTS:
        named = attributes.get(SOURCE_SYSTEM)
        return named if named in {binding.code for binding in bindings} else None
    return delivery.topic.removeprefix(f"{CASE_EVENTS}.")


def key_in(delivery: Delivery, bindings: Sequence[Binding]) -> Key | None:
    """What names the event in a record of any bytes, where its source can be told; None where it cannot."""
    attributes = cloudevents.named(delivery)
    system = None if attributes is None else system_of(delivery, attributes, bindings)
    return None if attributes is None or system is None else key_of(system, attributes["source"], attributes["id"])


def from_bus(
    delivery: Delivery, bindings: Sequence[Binding], vocabulary: Vocabulary, *, former_until: date
) -> CaseEvent:
    """The case event in a record. Raises PoisonRecordError with a reason code."""
    event = from_delivery(delivery)
    if event.type not in vocabulary.event_types:
        raise PoisonRecordError("unknown_type")
    binding = writer_of(delivery, event, bindings, former_until)
    try:
        data = CaseEventData.model_validate_json(event.data)
    except ValidationError as error:
        raise PoisonRecordError("invalid_data") from error
    if wrong := judge(binding, event, data, vocabulary):
        raise PoisonRecordError(wrong)
    if is_ahead(event, delivery.timestamp):
        raise PoisonRecordError("ahead_of_time")
    if missing := missing_field(event.type, data):
        raise PoisonRecordError(f"no_{missing}")
    if wrong_one := wrong_correction(event, data):
        raise PoisonRecordError(wrong_one)
    try:
        return CaseEvent(event, data, parse_uuid(event.subject or ""), binding.code, delivery.replay is not None)
    except ValueError as error:
        raise PoisonRecordError("no_subject") from error


# From a source's document


def from_document(document: Any, prefix: str, *, now: datetime) -> CaseEvent:
    """A checked event, rebuilt from what the contract names; whose it is has yet to be judged.

    `prefix` names the event in an error, e.g. `3.`. Raises InvalidError naming the attribute or field.
    """
    try:
        event = cloudevents.from_document(document)
    except ValueError as error:
        name = str(error)
        known = name if name in _KNOWN_ATTRIBUTES else "attribute"
        raise InvalidError(prefix + known, _FORMS.get(name, "is not valid")) from None
    if set(event.extensions) - {CORRECTS}:
        raise InvalidError(f"{prefix}attribute", "is not known", known=sorted(_KNOWN_ATTRIBUTES))
    if is_ahead(event, now):
        raise InvalidError(f"{prefix}time", "must not lie in the future")
    subject, data = _subject(event.subject, prefix), _data(event, prefix)
    rebuilt = replace(
        event,
        data=data.model_dump_json(exclude_none=True).encode(),
        subject=str(subject),
        partitionkey=str(subject),
        dataschema=DATA_SCHEMA,
    )
    return CaseEvent(rebuilt, data, subject, system="")


def require_known(taken: CaseEvent, prefix: str, vocabulary: Vocabulary) -> None:
    """Raises InvalidError for an event type that is not in the reference data, or a field that the type needs."""
    kind = taken.event.type
    if kind not in vocabulary.event_types:
        raise InvalidError(f"{prefix}type", "is not a known event type", known=sorted(vocabulary.event_types))
    if missing := missing_field(kind, taken.data):
        raise InvalidError(f"{prefix}data.{missing}", "is required for this event type")
    if wrong := wrong_correction(taken.event, taken.data):
        raise InvalidError(f"{prefix}{CORRECTS}", f"could have no effect ({wrong}; docs/sources.md)")


def _subject(subject: str | None, prefix: str) -> UUID:
    try:
        return parse_uuid(subject or "")
    except ValueError:
        raise InvalidError(f"{prefix}subject", "must be a borger_id (UUID)") from None


def _data(event: CloudEvent, prefix: str) -> CaseEventData:
    try:
        data = CaseEventData.model_validate_json(event.data)
    except ValidationError as error:
        problem = from_validation(error.errors())
        problem.errors = tuple(_within(field, prefix) for field in problem.errors)
        raise problem from None
    if set(orjson.loads(event.data)) - _KNOWN_FIELDS:
        raise InvalidError(f"{prefix}data", "holds a field that is not known", known=sorted(_KNOWN_FIELDS))
    return data


def _within(error: FieldError, prefix: str) -> FieldError:
    """The same error, named from the event's root."""
    field = "data" if error.field == "body" else f"data.{error.field}"
    return replace(error, field=prefix + field)
