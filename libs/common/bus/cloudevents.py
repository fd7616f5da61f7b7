"""CloudEvents 1.0 with JSON data: Kafka binary mode out, binary or structured mode in.

Rules (CloudEvents 1.0.2 §2–3, Kafka protocol binding §3): attributes are `ce_*` headers in UTF-8, `content-type` is
the type of the data, the value is the data as it is. Extension names are 1–20 of a–z and 0–9. The record key is
ours to choose and is never read as an attribute. `id`, `source` and `correlationid` have the forms of `identifiers`,
since they are copied into other records, or the event is refused at every door (P10).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from libs.common.bus.port import Delivery, Headers, PoisonRecordError
from libs.common.http.headers import is_media_type
from libs.common.wire.identifiers import correlation_of_event, is_event_id, is_source
from libs.common.wire.values import EVENT_EARLIEST, FormatError, JsonError, format_moment, parse_moment, strict_json

JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents+json"
_KNOWN: Final = ("id", "source", "type", "time", "subject", "dataschema", "correlationid", "partitionkey")
_REQUIRED: Final = ("id", "source", "type", "time")
_FORMS: Final = {"id": is_event_id, "source": is_source}
_NAMED: Final = frozenset({*_REQUIRED, "datacontenttype", "data"})  # faults with a reason code of their own
AHEAD_MAX: Final = timedelta(minutes=5)  # how far a source's clock may run before ours
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,20}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # no String of CloudEvents holds one (§3.1)
_TEXT_MAX: Final = 1024  # characters of one attribute


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event. `data` is UTF-8 JSON, `time` is aware, `extensions` are further attributes as text."""

    id: str
    source: str
    type: str
    time: datetime
    data: bytes
    subject: str | None = None
    dataschema: str | None = None
    correlationid: str | None = None
    partitionkey: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


def to_headers(event: CloudEvent) -> Headers:
    """The record headers of `event` in binary mode; its value is `event.data`."""
    attributes = {name: _text(getattr(event, name)) for name in _KNOWN if getattr(event, name) is not None}
    attributes |= event.extensions
    headers = [("ce_specversion", b"1.0"), ("content-type", JSON.encode())]
    return (*headers, *((f"ce_{name}", value.encode()) for name, value in attributes.items()))


def from_delivery(delivery: Delivery) -> CloudEvent:
    """The event in `delivery`, in either mode.

    Raises `PoisonRecordError("bad_<attribute>")` where the fault is one attribute's that the contract names, or the
    data's; else `PoisonRecordError("not_cloudevent")`.
    """
    try:
        attributes, data = _parts_of(delivery)
        event = _event(attributes, data)
        _check_data(data)
    except ValueError as error:  # includes UnicodeDecodeError
        name = str(error)
        raise PoisonRecordError(f"bad_{name}" if name in _NAMED else "not_cloudevent") from error
    return event


def named(delivery: Delivery) -> Mapping[str, str] | None:
    """The attributes of a record whose `id` and `source` have their form, whatever else is wrong; None without."""
    try:
        attributes, _ = _parts_of(delivery)
    except ValueError:
        return None
    return attributes if all(has_form(attributes.get(name, "")) for name, has_form in _FORMS.items()) else None


def _parts_of(delivery: Delivery) -> tuple[dict[str, str], bytes]:
    """The attributes and the data of a record as they came. Raises `ValueError(<attribute's name>)`."""
    headers = _read(delivery.headers)
    content_type = headers.pop("content-type", JSON)
    if is_media_type(content_type, STRUCTURED):
        return _parts(_parsed(delivery.value))
    if not is_media_type(content_type, JSON):
        raise ValueError("datacontenttype")
    return {name[3:]: value for name, value in headers.items()}, delivery.value


def _check_data(data: bytes) -> None:
    try:
        strict_json(data)
    except JsonError:
        raise ValueError("data") from None


def _read(headers: Headers) -> dict[str, str]:
    """The headers that are read, as text. Raises `ValueError` for one that is null, no UTF-8, or there twice."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name == "content-type" or name.startswith("ce_"):
            if value is None or name in found:
                raise ValueError(name[:20])
            found[name] = value.decode()
    return found


def parse_structured(body: bytes) -> CloudEvent:
    """The event in an `application/cloudevents+json` document. Raises `ValueError(<attribute's name>)`."""
    return from_document(_parsed(body))


def _parsed(body: bytes) -> object:
    try:
        return strict_json(body)
    except JsonError:
        raise ValueError("body") from None


def from_document(document: object) -> CloudEvent:
    """The event in an already parsed document, e.g. one of a batch. Raises `ValueError(<attribute's name>)`."""
    return _event(*_parts(document))


def _parts(document: object) -> tuple[dict[str, str], bytes]:
    """The attributes of a document in their text form, and its data. Raises `ValueError(<attribute's name>)`."""
    if not isinstance(document, dict):
        raise ValueError("body")  # noqa: TRY004 - one kind of error for a malformed document
    attributes: dict[str, Any] = dict(document)
    for name in ("specversion", *_KNOWN):
        if not isinstance(attributes.get(name, ""), str | None):
            raise ValueError(name)  # noqa: TRY004 - as above
    content_type = attributes.pop("datacontenttype", None)  # null is as absent (CloudEvents JSON format §2.2)
    if content_type is not None and not (isinstance(content_type, str) and is_media_type(content_type, JSON)):
        raise ValueError("datacontenttype")
    if "data" not in attributes:  # data_base64 is binary, which no event of ours is
        raise ValueError("data")
    data = orjson.dumps(attributes.pop("data"))
    return {name: _wire_text(name, value) for name, value in attributes.items() if value is not None}, data


def is_ahead(event: CloudEvent, now: datetime) -> bool:
    """Whether the event claims a time that has not come: its case would then be deaf to every later change (R45)."""
    return event.time > now + AHEAD_MAX


def _event(attributes: dict[str, str], data: bytes) -> CloudEvent:
    if attributes.pop("specversion", None) != "1.0":
        raise ValueError("specversion")
    for name, value in attributes.items():
        if not _EXTENSION.fullmatch(name) or len(value) > _TEXT_MAX:
            raise ValueError(name[:20])
        if _CONTROL.search(value) and name != "correlationid":  # which is replaced where it says something
            raise ValueError(name[:20])
    for name in _REQUIRED:
        if not attributes.get(name):
            raise ValueError(name)
    for name, has_form in _FORMS.items():
        if not has_form(attributes[name]):
            raise ValueError(name)
    known: dict[str, Any] = {name: attributes.pop(name) for name in _KNOWN if name in attributes}
    known["time"] = _moment(known["time"])
    if "correlationid" in known:
        known["correlationid"] = correlation_of_event(known["source"], known["id"], known["correlationid"])
    return CloudEvent(**known, data=data, extensions=attributes)


def _moment(text: str) -> datetime:
    try:
        return parse_moment(text, earliest=EVENT_EARLIEST)
    except FormatError:
        raise ValueError("time") from None


def _wire_text(name: str, value: object) -> str:
    """A JSON attribute in the text form of binary mode (CloudEvents §3.1: Boolean, Integer, String)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    raise ValueError(name[:20])


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return format_moment(value)
    return str(value)
