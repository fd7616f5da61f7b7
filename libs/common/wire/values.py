"""What a moment, a day, a number and a JSON document look like when they come from outside: one strict form each.

1. A moment is an RFC 3339 `date-time`, a day is its `full-date`; nothing else that looks like one is guessed at.
2. Both lie in a named window, so that no later step (UTC, a month added, the database) can leave the calendar.
   The driver writes the calendar's two ends as ±infinity: what lies there does not come back as it went in.
3. JSON means one thing to every reader (RFC 8259 §4, RFC 7493): UTF-8, no name twice in an object, no NUL and no
   unpaired surrogate in a text, numbers within 64 bits, one limit of depth for reading and for writing.

Every refusal is a `FormatError` with a constant sentence, never the input. `docs/formats.md` has the rules in words.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import orjson
import yaml
from pydantic import BeforeValidator, Strict
from pydantic_core import PydanticCustomError

MOMENT_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)  # nobody whom a case is about has a fact older than this
MOMENT_LATEST = datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)  # beyond every term that the law sets
EVENT_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # no source system reports what happened before it had a case system
DAY_EARLIEST = MOMENT_EARLIEST.date()
DAY_LATEST = MOMENT_LATEST.date()
JSON_DEPTH_MAX = 32  # levels of nesting, read or written; our deepest document has 9
INTEGER_MAX = 2**63 - 1  # PostgreSQL's bigint
VERSION_MAX = 2**31 - 1  # PostgreSQL's integer: versions and partitions

_EARLIEST_MS, _LATEST_MS = (int(edge.timestamp()) * 1000 for edge in (MOMENT_EARLIEST, MOMENT_LATEST))
_Placed = TypeVar("_Placed", int, date, datetime)

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,17}")

_NOT_A_MOMENT = "must be an RFC 3339 date-time with an offset, e.g. 2026-11-27T12:00:00Z"
_NOT_A_DAY = "must be a date, YYYY-MM-DD"
END_HINT = "; leave it out or send null where there is no end"


class FormatError(ValueError):
    """The value is not of the form. The text is a constant sentence that completes "<field> …"."""


class JsonError(FormatError, json.JSONDecodeError):
    """The bytes are not JSON, or not JSON that means one thing. Holds neither the document nor a place in it."""

    def __init__(self, message: str) -> None:
        json.JSONDecodeError.__init__(self, message, "", 0)

    def __str__(self) -> str:
        """The sentence alone."""
        return self.msg


def parse_moment(
    text: str, *, earliest: datetime = MOMENT_EARLIEST, latest: datetime = MOMENT_LATEST, hint: str = ""
) -> datetime:
    """The moment in UTC of an RFC 3339 §5.6 `date-time` between `earliest` and `latest`. Raises FormatError.

    `T` and `Z` in either case; a fraction of one to nine digits, cut to microseconds. A leap second (`:60`) is
    refused: neither Python nor PostgreSQL can hold it. `hint` ends the sentence of a moment after `latest`.
    """
    if not _MOMENT.fullmatch(text):
        raise FormatError(_NOT_A_MOMENT)
    _within(int(text[:4]), earliest.year - 1, latest.year + 1, hint)  # so that the way to UTC stays in the calendar
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except ValueError:  # a day, an hour, a minute or a second that does not exist
        raise FormatError(_NOT_A_MOMENT) from None
    return _within(moment, earliest, latest, hint)


def parse_day(text: str, *, earliest: date = DAY_EARLIEST, latest: date = DAY_LATEST, hint: str = "") -> date:
    """The day of an RFC 3339 §5.6 `full-date` between `earliest` and `latest`, both included. Raises FormatError."""
    if not _DAY.fullmatch(text):
        raise FormatError(_NOT_A_DAY)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise FormatError(_NOT_A_DAY) from None
    return _within(day, earliest, latest, hint)


def format_moment(moment: datetime) -> str:
    """The one form in which a moment leaves us: RFC 3339 in UTC with `Z`. `parse_moment` gives it back."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_epoch_ms(milliseconds: int) -> datetime:
    """The moment of a count that somebody else wrote (a record's timestamp), held within the window."""
    return datetime.fromtimestamp(max(_EARLIEST_MS, min(milliseconds, _LATEST_MS)) / 1000, UTC)


def is_readable(value: object) -> bool:
    """Whether the driver's `value` is what was stored: an infinite moment or day comes back as another one."""
    if isinstance(value, datetime):
        return value.tzinfo is not None and date.min < value.date() < date.max
    return not isinstance(value, date) or date.min < value < date.max


def _within(value: _Placed, earliest: _Placed, latest: _Placed, hint: str) -> _Placed:
    if value < earliest:
        raise FormatError("must not lie so far back")
    if value > latest:
        raise FormatError(f"must not lie so far ahead{hint}")
    return value


def _refuse(error: FormatError) -> NoReturn:
    raise PydanticCustomError("format", "{expected}", {"expected": str(error)}) from None


def _moment_type(**window: Any) -> BeforeValidator:
    """From JSON or a query: a text. From our own code: an aware datetime. Never a number of seconds."""

    def validate(value: object) -> datetime:
        try:
            if isinstance(value, datetime) and value.tzinfo is not None:
                return value.astimezone(UTC)
            return parse_moment(value if isinstance(value, str) else "", **window)
        except FormatError as error:
            _refuse(error)

    return BeforeValidator(validate)


def _day_type(**window: Any) -> BeforeValidator:
    """From JSON or a query: a text. From our own code: a date without a time."""

    def validate(value: object) -> date:
        try:
            if isinstance(value, date) and not isinstance(value, datetime) and is_readable(value):
                return value
            return parse_day(value if isinstance(value, str) else "", **window)
        except FormatError as error:
            _refuse(error)

    return BeforeValidator(validate)


Moment = Annotated[datetime, _moment_type()]
EndMoment = Annotated[datetime, _moment_type(hint=END_HINT)]
"""The end of a period. "Until further notice" is null or left out: the calendar's last day is not an end."""
Day = Annotated[date, _day_type()]
EndDay = Annotated[date, _day_type(hint=END_HINT)]
"""The last day of a period, or the first one after it; null or left out where there is none."""

Flag = Annotated[bool, Strict()]
"""A JSON `true` or `false`; never a text or a number."""
Whole = Annotated[int, Strict()]
"""A JSON integer; never a text, a boolean or a number with a fraction. Its size is `strict_json`'s to limit."""


def _decimal(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # a default of ours
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        _refuse(FormatError("must be a whole number in plain decimal digits"))
    return int(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        _refuse(FormatError("must be true or false"))
    return value


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        _refuse(FormatError("must be true or false"))
    return value == "true"


Yes = Annotated[Literal[True], BeforeValidator(_flag)]
"""A JSON `true`, where there is nothing else to say."""
DECIMAL = BeforeValidator(_decimal)
"""Put after the limits of an `int` in a query or a path: plain digits without sign, blank, point or leading zero."""
Switch = Annotated[bool, BeforeValidator(_switch)]
"""`true` or `false` in a query."""


_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{}]', re.DOTALL)


def strict_json(data: bytes) -> Any:
    """The document in `data`, as every reader would read it (rule 3). Raises JsonError.

    The checks that need a look at every level are made only where the bytes could hold what they look for.
    """
    if b"\\u0000" in data and _ESCAPED_NUL.search(data):
        raise JsonError("must hold no NUL character")
    if data.count(b"{") + data.count(b"[") > JSON_DEPTH_MAX and _is_deep(data):
        raise JsonError(f"must not be nested deeper than {JSON_DEPTH_MAX} levels")
    try:
        document = _DECODER.decode(data.decode())
        if b"\\u" in data:
            orjson.dumps(document)  # an escaped surrogate without its other half is no character
    except JsonError:
        raise
    except (ValueError, TypeError):  # json's and UTF-8's errors, and orjson's, which hold the input
        raise JsonError("must be valid JSON") from None
    return document


def _is_deep(data: bytes) -> bool:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        mark = token.group()[:1]
        depth += (mark in b"[{") - (mark in b"]}")
        if depth > JSON_DEPTH_MAX:
            return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("must not name a member twice")
    return found


def _bounded(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        value = read(text) if len(text) <= 64 else INTEGER_MAX + 1
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise JsonError("must hold numbers within 64 bits only")
        return value

    return number


def _constant(_: str) -> NoReturn:
    raise JsonError("must be valid JSON")  # NaN and Infinity are Python's, not JSON's


class _PlainLoader(yaml.SafeLoader):
    """YAML that JSON can say: a day stays a text, `no` is a text, and a key stands once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are texts, each of them once. Raises yaml's ConstructorError."""
        found = super().construct_mapping(node, deep)
        if len(found) != len(node.value) or not all(isinstance(key, str) for key in found):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice, or is no text", node.start_mark)
        return found


def _refuse_tag(_loader: _PlainLoader, node: yaml.Node) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, "a tag that JSON has no type for", node.start_mark)


for _foreign in ("timestamp", "binary", "omap", "pairs", "set"):
    _PlainLoader.add_constructor(f"tag:yaml.org,2002:{_foreign}", _refuse_tag)
_PlainLoader.yaml_implicit_resolvers = {}
for _tag, _form, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
    ("null", r"null|~|", ["n", "~", ""]),
):
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_form})\Z"), list(_first))


def strict_yaml(text: str) -> Any:
    """The document in a YAML text, in JSON's types alone. Raises yaml.YAMLError."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader that reads less
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise yaml.YAMLError("the document cannot be read") from error  # a number or a depth beyond what Python takes


def read_yaml(path: Path) -> Any:
    """The document in a YAML file, UTF-8 with or without a byte order mark. Raises OSError, yaml.YAMLError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise yaml.YAMLError("the file is not UTF-8") from error
    return strict_yaml(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=_bounded(int), parse_float=_bounded(float), parse_constant=_constant
)
