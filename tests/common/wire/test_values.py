"""One strict form for moments, days, numbers and JSON, measured against the standards and not against our own code."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from libs.common.http.problems import from_validation
from libs.common.wire import values
from libs.common.wire.identifiers import parse_uuid
from libs.common.wire.values import FormatError, JsonError, format_moment, parse_day, parse_moment, strict_json
from tests import hostile

LETTERS = "0123456789-+:.TtZz XW,\n\x00０"
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=109_000)).map(
    lambda since: datetime(1900, 1, 2, tzinfo=UTC) + since
)


@st.composite
def date_times(draw: st.DrawFn) -> tuple[str, datetime]:
    """An RFC 3339 §5.6 `date-time`, made from its grammar, and the moment that it means."""
    digits = draw(st.text("0123456789", max_size=9))
    moment = draw(MOMENTS).replace(microsecond=int(digits[:6].ljust(6, "0") or "0"))
    fraction = f".{digits}" if digits else ""
    minutes = draw(st.integers(-1439, 1439))
    sign, ahead = ("-" if minutes < 0 else "+"), abs(minutes)
    offset = draw(st.sampled_from("Zz")) if minutes == 0 else f"{sign}{ahead // 60:02}:{ahead % 60:02}"
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    mark = draw(st.sampled_from("Tt"))
    text = f"{local.year:04}-{local.month:02}-{local.day:02}{mark}{local.hour:02}:{local.minute:02}:{local.second:02}"
    return text + fraction + offset, moment


def follows_the_grammar(text: str) -> bool:
    """RFC 3339 §5.6 read character by character, with the limits of §5.7; a leap second is left to the caller."""
    if len(text) < len("2026-01-01T00:00:00Z") or text[4] + text[7] + text[13] + text[16] != "--::":
        return False
    return text[10] in "Tt" and _is_a_day(text) and _is_a_time(text[11:19]) and _is_an_end(text[19:])


def _is_number(part: str, low: int, high: int) -> bool:
    return all("0" <= one <= "9" for one in part) and low <= int(part or "-1") <= high


def _is_a_day(text: str) -> bool:
    if not (_is_number(text[:4], 1, 9999) and _is_number(text[5:7], 1, 12)):
        return False
    year, month = int(text[:4]), int(text[5:7])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _is_number(text[8:10], 1, (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1])


def _is_a_time(text: str) -> bool:
    return _is_number(text[:2], 0, 23) and _is_number(text[3:5], 0, 59) and _is_number(text[6:], 0, 59)


def _is_an_end(rest: str) -> bool:
    if rest[0] == ".":
        digits = len(rest) - 1 - len(rest[1:].lstrip("0123456789"))
        if not 1 <= digits <= 9:
            return False
        rest = rest[1 + digits :]
    if rest in ("Z", "z"):
        return True
    shaped = len(rest) == 6 and rest[0] in "+-" and rest[3] == ":"
    return shaped and _is_number(rest[1:3], 0, 23) and _is_number(rest[4:], 0, 59)


@given(date_times())
def test_every_date_time_of_the_standard_is_read_as_what_it_means(made: tuple[str, datetime]) -> None:
    text, moment = made
    assert parse_moment(text) == moment
    assert parse_moment(text).utcoffset() == timedelta(0)


@given(date_times(), st.data())
def test_nothing_but_the_grammar_is_read(made: tuple[str, datetime], data: st.DataObject) -> None:
    """One or two characters changed, put in or left out: accepted exactly where the grammar accepts it."""
    text = made[0]
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(["", *LETTERS])) + text[at + data.draw(st.integers(0, 1)) :]
    accepted = True
    try:
        parse_moment(text, earliest=datetime(2, 1, 1, tzinfo=UTC), latest=datetime(9997, 1, 1, tzinfo=UTC))
    except FormatError as refusal:
        accepted = "so far" in str(refusal)  # of the form, and outside the window
    assert accepted == follows_the_grammar(text), text


@given(MOMENTS)
def test_a_moment_that_leaves_comes_back_the_same(moment: datetime) -> None:
    assert parse_moment(format_moment(moment)) == moment
    assert format_moment(moment).endswith("Z")


@given(st.dates(values.DAY_EARLIEST, values.DAY_LATEST))
def test_a_day_that_leaves_comes_back_the_same(day: date) -> None:
    assert parse_day(day.isoformat()) == day


@given(st.text(LETTERS, max_size=30))
def test_a_text_is_a_moment_or_a_format_error(text: str) -> None:
    for parse in (parse_moment, parse_day):
        with suppress(FormatError):
            parse(text)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("1900-01-01T00:00:00Z", values.MOMENT_EARLIEST),
        ("1899-12-31T23:30:00-00:30", values.MOMENT_EARLIEST),
        ("2199-12-31T23:59:59.999999999Z", values.MOMENT_LATEST),
        ("2200-01-01T00:59:59.999999+01:00", values.MOMENT_LATEST),
        ("2026-11-27t12:00:00z", datetime(2026, 11, 27, 12, tzinfo=UTC)),
        ("2026-11-27T12:00:00-00:00", datetime(2026, 11, 27, 12, tzinfo=UTC)),
    ],
)
def test_the_window_is_closed_at_both_ends(given: str, meant: datetime) -> None:
    assert parse_moment(given) == meant


class Body(BaseModel):
    """One field of each kind."""

    moment: values.Moment | None = None
    until: values.EndMoment | None = None
    day: values.Day | None = None
    last: values.EndDay | None = None
    flag: values.Flag = False
    whole: values.Whole = 0
    decimal: Annotated[int, values.DECIMAL] = 0
    switch: values.Switch = False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("moment", value) for value in hostile.MOMENTS),
        *(("until", value) for value in hostile.MOMENTS),
        *(("day", value) for value in hostile.DAYS),
        *(("last", value) for value in hostile.DAYS),
        *(("flag", value) for value in hostile.FLAGS),
        *(("whole", value) for value in hostile.WHOLES),
        *(("decimal", value) for value in hostile.DECIMALS),
        *(("switch", value) for value in hostile.SWITCHES),
    ],
)
def test_a_hostile_value_is_refused_and_the_field_named(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate({field: value})
    [error] = from_validation(caught.value.errors()).document()["errors"]
    assert error["field"] == field
    assert error["message"].startswith("must ")


@pytest.mark.parametrize(("field", "end"), [("until", "9999-12-31T23:59:59Z"), ("last", "9999-12-31")])
def test_until_further_notice_is_null(field: str, end: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate({field: end})
    assert "send null where there is no end" in caught.value.errors()[0]["msg"]
    assert getattr(Body.model_validate({field: None}), field) is None


def test_the_published_schema_says_the_form() -> None:
    properties = Body.model_json_schema()["properties"]
    assert properties["moment"]["anyOf"][0] == {"format": "date-time", "type": "string"}
    assert properties["last"]["anyOf"][0] == {"format": "date", "type": "string"}
    assert properties["decimal"]["type"] == "integer"
    assert properties["switch"]["type"] == "boolean"


def test_a_moment_without_an_offset_is_refused_from_our_own_code_too() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(values.Moment).validate_python(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of it


@pytest.mark.parametrize("body", hostile.JSON.values(), ids=hostile.JSON)
def test_json_that_means_two_things_or_none_is_refused(body: bytes) -> None:
    with pytest.raises(JsonError) as caught:
        strict_json(body)
    assert str(caught.value).startswith("must ")
    assert caught.value.doc == ""


DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-values.INTEGER_MAX, values.INTEGER_MAX)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(categories=["L"])), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_every_other_document_is_read_as_another_reader_reads_it_and_can_be_written(document: Any) -> None:
    body = orjson.dumps(document)
    assert strict_json(body) == orjson.loads(body) == document
    assert orjson.loads(orjson.dumps(strict_json(body))) == document


@given(st.binary(max_size=60) | DOCUMENTS.map(orjson.dumps).flatmap(lambda body: st.just(body + b" " * 3)))
def test_whatever_the_bytes_a_document_or_a_json_error(body: bytes) -> None:
    with suppress(JsonError):
        orjson.dumps(strict_json(body))


def test_the_limit_of_depth_is_one_for_reading_and_writing() -> None:
    deepest = b"[" * values.JSON_DEPTH_MAX + b"]" * values.JSON_DEPTH_MAX
    assert orjson.dumps(strict_json(deepest)) == deepest
    assert strict_json(b'["' + b"[{" * 200 + b'\\""]') == ["[{" * 200 + '"']
    assert strict_json(b'["\\\\u0000"]') == ["\\u0000"]
    assert len(strict_json(b"[" + b"[]," * 200 + b"[]]")) == 201


PERSON = "8d2dfd98-1184-47a4-8c15-f577c9fb428d"


@pytest.mark.parametrize(
    "text",
    [
        *("", PERSON[:-1], PERSON + "\n", " " + PERSON, f"{{{PERSON}}}", f"urn:uuid:{PERSON}", PERSON.replace("-", "")),
        *(" " + PERSON.replace("-", "")[:-1], "0x" + PERSON.replace("-", "")[2:], "1_" + PERSON.replace("-", "")[2:]),
        *("\u0663" + PERSON[1:], "-".join(PERSON.replace("-", ""))),
    ],
)
def test_a_uuid_has_one_text_form_and_a_mistyped_one_is_nobody(text: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        parse_uuid(text)


def test_a_uuid_in_its_form_is_read_in_either_case() -> None:
    assert parse_uuid(PERSON) == parse_uuid(PERSON.upper())
    assert str(parse_uuid(PERSON)) == PERSON
