"""Our CloudEvents are what the standard's own library writes and reads; golden files are what it wrote."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as StandardEvent
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.cloudevents import CloudEvent, from_delivery, is_ahead, parse_structured, to_headers
from libs.common.bus.port import Delivery, Headers, PoisonRecordError
from libs.common.wire.values import EVENT_EARLIEST
from tests import hostile

EVENT = CloudEvent(
    id="7f9c",
    source="urn:samtykkebro:consent",
    type="samtykke.afgivet",
    time=datetime(2026, 3, 1, 12, 30, 15, 250000, tzinfo=UTC),
    data=b'{"purpose":"KOORDINERING","epoch":1099511627777}',
    subject="0b7d7a5e-6a3e-4a39-9d1e-0a6f6d1b2c3d",
    dataschema="urn:samtykkebro:schema:consent-event-v1",
    correlationid="c0ffee00-0000-4000-8000-000000000042",
    extensions={"producer": "consent", "number": "17"},
)


NUMBER = "91" + "0290" + "1234"  # 31 February, 60 added: nobody's
DASHED = "91-02-90-" + "1234"


def delivery(headers: Headers, value: bytes) -> Delivery:
    return Delivery("t", 0, 0, "k", headers, value, EVENT.time)


def standard(event: CloudEvent) -> StandardEvent:
    named = {
        "id": event.id, "source": event.source, "type": event.type, "time": event.time, "specversion": "1.0",
        "subject": event.subject, "dataschema": event.dataschema, "correlationid": event.correlationid,
        "datacontenttype": "application/json",
    }  # fmt: skip
    attributes = {name: value for name, value in named.items() if value is not None} | dict(event.extensions)
    return StandardEvent(attributes, orjson.loads(event.data))


def test_our_headers_are_those_of_the_standards_library():
    theirs = to_binary_event(standard(EVENT)).headers
    assert dict(to_headers(EVENT)) == dict(theirs)


def test_the_standards_library_reads_what_we_write():
    read = from_binary_event(KafkaMessage(dict(to_headers(EVENT)), "k", EVENT.data))
    assert read.get_id() == EVENT.id
    assert read.get_time() == EVENT.time
    assert read.get_subject() == EVENT.subject
    assert read.get_extension("number") == "17"
    assert read.get_data() == orjson.loads(EVENT.data)


def test_we_read_what_the_standards_library_writes_in_binary_mode():
    message = to_binary_event(standard(EVENT))
    read = from_delivery(delivery(tuple(message.headers.items()), message.value))
    assert orjson.loads(read.data) == orjson.loads(EVENT.data)
    assert dict(to_headers(read)) == dict(to_headers(EVENT))


def test_we_read_what_the_standards_library_writes_in_structured_mode():
    body = JSONFormat().write(standard(EVENT))
    assert parse_structured(body) == EVENT
    structured = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    assert from_delivery(delivery(structured, body)) == EVENT


MOMENTS = st.integers(0, 10**17).map(lambda us: EVENT_EARLIEST + timedelta(microseconds=us % (10**15 * 6)))
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
ids = st.uuids().map(str) | st.integers(0, 999_999_999).map("domus-{}".format)
sources = st.from_regex(r"urn:[a-z]{2,9}(:[a-z]{1,9}){1,3}", fullmatch=True)


@given(ids, sources, texts, MOMENTS, st.none() | texts)
def test_writing_and_reading_is_the_identity(identity, source, kind, time, subject):
    event = CloudEvent(identity, source, kind, time, b"{}", subject=subject)
    assert from_delivery(delivery(to_headers(event), event.data)) == event


def test_a_time_in_another_zone_is_the_same_moment_in_utc():
    local = EVENT.time.astimezone(timezone(timedelta(hours=2)))
    assert dict(to_headers(CloudEvent("i", "s", "t", local, b"{}")))["ce_time"] == b"2026-03-01T12:30:15.250000Z"


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type", "time"])
def test_a_record_without_a_required_attribute_is_poison(missing: str):
    headers = tuple(pair for pair in to_headers(EVENT) if pair[0] != f"ce_{missing}")
    with pytest.raises(PoisonRecordError) as refused:
        from_delivery(delivery(headers, EVENT.data))
    assert refused.value.reason == {"specversion": "not_cloudevent"}.get(missing, f"bad_{missing}")


@pytest.mark.parametrize(
    ("changed", "data", "reason"),
    [
        ({"ce_id": b"x y"}, b"{}", "bad_id"),
        ({"ce_source": b"s"}, b"{}", "bad_source"),
        ({"ce_time": b"2026"}, b"{}", "bad_time"),
        ({"ce_type": b"x" * 1025}, b"{}", "bad_type"),
        ({"content-type": b"text/plain"}, b"{}", "bad_datacontenttype"),
        ({}, b'{"a":1,"a":2}', "bad_data"),
        ({"ce_id": b"x y", "ce_specversion": b"0.3"}, b"{}", "not_cloudevent"),
        ({"ce_extra": b"x" * 1025}, b"{}", "not_cloudevent"),
        ({"ce_Bad name": b"x"}, b"{}", "not_cloudevent"),
        ({"ce_id": b"\xff"}, b"{}", "not_cloudevent"),
    ],
)
def test_a_source_learns_which_attribute_was_wrong_by_a_constant_code(changed: dict, data: bytes, reason: str):
    headers = tuple((dict(to_headers(EVENT)) | changed).items())
    with pytest.raises(PoisonRecordError) as refused:
        from_delivery(delivery(headers, data))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        *(("ce_time", moment.encode()) for moment in hostile.MOMENTS if isinstance(moment, str)),
        ("ce_time", b"1999-12-31T23:59:59Z"),
        ("ce_id", b""),
        ("ce_id", b"\xff"),
        ("ce_id", b"x" * 1025),
        *(("ce_id", bad.encode()) for bad in (f"evt{NUMBER}", f"x{NUMBER}y", DASHED, "7f9c\n", "7f\x009c")),
        *(("ce_source", bad.encode()) for bad in (f"urn:kk:fasit:person{NUMBER}", "s", "urn:kk:s\n")),
        ("ce_Upper", b"x"),
        ("content-type", b"text/plain"),
    ],
)
def test_a_record_with_a_malformed_attribute_is_poison(name: str, value: bytes):
    headers = tuple((dict(to_headers(EVENT)) | {name: value}).items())
    with pytest.raises(PoisonRecordError):
        from_delivery(delivery(headers, EVENT.data))


@pytest.mark.parametrize("given", ["abcdefgh\n", "abcdefgh", f"ref{NUMBER}", DASHED, ""])
def test_a_correlation_id_that_says_something_is_replaced(given: str):
    headers = tuple((dict(to_headers(EVENT)) | {"ce_correlationid": given.encode()}).items())
    read = from_delivery(delivery(headers, EVENT.data)).correlationid
    assert read is not None
    assert UUID(read).version == 5
    assert read == from_delivery(delivery(headers, EVENT.data)).correlationid


@pytest.mark.parametrize("data", hostile.JSON.values(), ids=hostile.JSON)
def test_a_record_whose_data_is_not_json_that_means_one_thing_is_poison(data: bytes):
    with pytest.raises(PoisonRecordError):
        from_delivery(delivery(to_headers(EVENT), data))
    structured = (
        b'{"specversion":"1.0","id":"a-1","source":"urn:x:y","type":"t","time":"2026-03-01T12:00:00Z","data":%b}' % data
    )
    with pytest.raises(ValueError, match=r"body|data"):
        parse_structured(structured)


def test_an_event_may_run_a_little_ahead_of_our_clock_and_no_further():
    assert not is_ahead(EVENT, EVENT.time - timedelta(minutes=4))
    assert is_ahead(EVENT, EVENT.time - timedelta(minutes=6))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": ["list"]}, "id"),
        *(({"id": bad}, "id") for bad in (f"evt{NUMBER}", f"x{NUMBER}y", DASHED, "7f9c\n", "x1" * 33)),
        *(({"source": bad}, "source") for bad in (f"urn:kk:fasit:person{NUMBER}", "s", "urn:kk:s\n", "urn:kk:\u202es")),
        ({"id": 1}, "id"),
        ({"id": True}, "id"),
        ({"subject": 7}, "subject"),
        *(({"time": moment}, "time") for moment in hostile.MOMENTS if "\x00" not in str(moment)),
        ({"specversion": "2.0"}, "specversion"),
        ({"time": "now"}, "time"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"datacontenttype": "application/json; charset=latin-1"}, "datacontenttype"),
        ({"datacontenttype": ["application/json"]}, "datacontenttype"),
        ({"data": ...}, "data"),
        ({"Bad-Name": "x"}, "Bad-Name"),
    ],
)
def test_a_malformed_document_is_refused_with_the_attributes_name(change: dict[str, object], named: str):
    document = {
        "specversion": "1.0", "id": "1", "source": "urn:kk:s", "type": "t", "time": "2026-03-01T12:00:00Z", "data": {},
    } | change  # fmt: skip
    body = orjson.dumps({name: value for name, value in document.items() if value is not ...})
    with pytest.raises(ValueError, match=f"^{named}$"):
        parse_structured(body)


@pytest.mark.parametrize(
    "content_type", [None, "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", ...]
)
def test_the_datas_type_is_a_media_type_and_may_have_parameters(content_type: object):
    document = {
        "specversion": "1.0", "id": EVENT.id, "source": EVENT.source, "type": "t", "time": "2026-03-01T12:00:00Z",
        "data": {}, "datacontenttype": content_type,
    }  # fmt: skip
    body = orjson.dumps({name: value for name, value in document.items() if value is not ...})
    assert parse_structured(body).data == b"{}"
    if isinstance(content_type, str):
        event = to_headers(parse_structured(body))
        headers = (*(pair for pair in event if pair[0] != "content-type"), ("content-type", content_type.encode()))
        assert from_delivery(delivery(headers, b"{}")).id == EVENT.id


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{"])
def test_a_body_that_is_no_document_is_refused(body: bytes):
    with pytest.raises(ValueError, match=r"^body$"):
        parse_structured(body)


def test_a_refusal_never_repeats_the_value():
    """What is refused may hold a CPR number (P10): only the attribute's name is told."""
    secret = "not-for-logs"
    body = orjson.dumps(
        {"specversion": "1.0", "id": "1", "source": "urn:kk:s", "type": "t", "time": secret, "data": {}}
    )
    with pytest.raises(ValueError, match=r"^time$") as refused:
        parse_structured(body)
    assert secret not in repr(refused.value)
