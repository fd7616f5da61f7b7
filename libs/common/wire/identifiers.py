"""What a caller writes: identifiers and words, and the one test for a personal number in any text (P10).

1. Text is judged by one net: ten digits in a row, once everything that is neither a letter nor a digit is taken out,
   of which the first six are a date DDMMYY or one with 60 added to the day (a replacement number, R28).
2. An identifier has a positive form, so that it need not be judged: a UUID, a ULID, a trace id, or a reference with
   at most nine digits in all, which cannot hold the ten of a personal number.
3. Who calls is named by a token's claims. They go on the record, so their form is checked once, at the door.
4. Words that people read are NFC (Unicode Standard Annex #15), so that what looks alike is alike, and can be seen: no
   control character, none that turns the direction of writing (Unicode Standard Annex #9 §2), something that leaves
   a mark. A refusal names the field and never repeats the text.

`docs/formats.md`, "Identifiers", is what a source system reads about it.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

EVENT_ID_MAX: Final = 64  # characters
SOURCE_MAX: Final = 200  # characters
IDENTITY_MAX: Final = 255  # characters; OpenID Connect Core §2 allows a subject of that length
UNIT_MAX: Final = 64  # characters
EVENT_ID_FORM: Final = "must be a UUID, a ULID, or a reference with one to nine digits, such as domus-2026-00042"
SOURCE_FORM: Final = "must be a URN, an http(s) URI or an absolute path that holds no personal number"
REFERENCE_DIGITS_MAX: Final = 9
"""One digit fewer than a personal number has."""
UNIT_PATTERN: Final = r"^[A-ZÆØÅ]+([_-]([A-ZÆØÅ]+|[0-9]{1,3}[A-Z]{0,2}))*$"
"""A code, in JSON Schema's dialect of patterns (ECMA-262)."""

_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_CROCKFORD = "0-9A-HJKMNP-TV-Z"
_RECENT_ULID = rf"01[A-HJKMNP-TV-Z][{_CROCKFORD}]{{23}}"  # made 2015 to 2039: a letter is third, so no number begins it
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"

_TYPED = re.compile(rf"(?<![0-9A-Za-z])(?:{_UUID}|{_RECENT_ULID}|{_MOMENT})(?![0-9A-Za-z])")
_DIGITS_APART = re.compile(r"\d(?:[\W_]*\d){9,}")
_NOT_DIGIT = re.compile(r"\D+")
_PERSONAL_NUMBER = re.compile(r"(?=(?:0[1-9]|[12][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])(?:0[1-9]|1[0-2])[0-9]{6})")

_UUID_ONLY = re.compile(_UUID)  # RFC 9562 §4
_ULID_ONLY = re.compile(rf"[0-7][{_CROCKFORD}]{{25}}")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")  # W3C Trace Context §3.2.2.3; also a UUID without hyphens
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REFERENCE = re.compile(r"[A-Za-z0-9]{1,32}(?:[-._:][A-Za-z0-9]{1,32}){0,7}")
_SOURCE = re.compile(
    r"(?:urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9](?::[A-Za-z0-9._-]+)+"  # RFC 8141
    r"|https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?"  # RFC 3986, no query
    r"|(?:/[A-Za-z0-9._~-]+)+)"
)
_IDENTITY = re.compile(rf"[!-~]{{1,{IDENTITY_MAX}}}")
_UNIT = re.compile(UNIT_PATTERN.removeprefix("^").removesuffix("$"))

_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control, surrogate, private use, not assigned; line and paragraph separator.
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS: Final = frozenset("LNPS")  # first letters of the categories that leave a mark
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # Hangul fillers, the empty Braille pattern


def holds_personal_number(text: str) -> bool:
    """Whether `text` holds what reads as a personal number, whatever stands between its digits or beside them.

    A false alarm costs the sender another wording; a number let through would lie on every topic for good. UUIDs,
    ULIDs and RFC 3339 moments that stand by themselves in the text are taken out first.
    """
    return any(map(_PERSONAL_NUMBER.search, _digit_runs(text)))


def mask_personal_numbers(text: str, mask: str = "[masked]") -> str:
    """`text` with `mask` in place of each run of digits that holds a personal number."""
    if not holds_personal_number(text):
        return text
    masked = _DIGITS_APART.sub(mask, unicodedata.normalize("NFKC", text))
    return mask if holds_personal_number(masked) else masked


def _digit_runs(text: str) -> list[str]:
    """The runs of ten digits and more in `text`, in ASCII, without what stood between the digits."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if not _DIGITS_APART.search(text):
        return []  # nearly every text
    found = _DIGITS_APART.findall(_TYPED.sub("x", text))
    return ["".join(str(unicodedata.decimal(digit)) for digit in _NOT_DIGIT.sub("", run)) for run in found]


def parse_uuid(text: str) -> UUID:
    """The UUID of its one text form (RFC 9562 §4), in either case. Raises ValueError.

    Python's own reading takes a blank, `0x` or `_` for a digit: what was mistyped would name somebody else.
    """
    if not _UUID_ONLY.fullmatch(text):
        raise ValueError("must be a UUID")
    return UUID(text)


def is_id(text: str) -> bool:
    """A UUID, a ULID, a trace id, or a SHA-256 digest in hexadecimal."""
    return is_correlation_id(text) or _DIGEST.fullmatch(text) is not None


def may_be_recorded(text: str) -> bool:
    """Whether `text` may stand on the bus, in the audit log or in a log line: typed, or without a personal number."""
    return is_id(text) or not holds_personal_number(text)


def is_event_id(text: str) -> bool:
    """A CloudEvents `id` from a source: a UUID, a ULID, or a reference such as `1042` or `domus-2026-00042`.

    A reference has letters and digits in parts joined by `-`, `.`, `_` or `:`, one to nine digits in all.
    """
    if len(text) > EVENT_ID_MAX:
        return False
    if _is_uuid_or_ulid(text):
        return True
    return _REFERENCE.fullmatch(text) is not None and 1 <= _digits(text) <= REFERENCE_DIGITS_MAX


def is_source(text: str) -> bool:
    """A CloudEvents `source`: a URN, an http(s) URI without user, query and fragment, or an absolute path.

    It holds no personal number, and at most 200 characters.
    """
    return len(text) <= SOURCE_MAX and _SOURCE.fullmatch(text) is not None and not holds_personal_number(text)


def is_correlation_id(text: str) -> bool:
    """A UUID, a ULID or a W3C trace id: random, so it says nothing about anybody."""
    return _is_uuid_or_ulid(text) or _TRACE_ID.fullmatch(text) is not None


def correlation_of_event(source: str, event_id: str, given: str) -> str:
    """The correlation id of an event from the bus: `given` when it has the form, else one made from what names it.

    Made and not drawn, so that each service that reads the event follows it under the same id. Nothing of `given` is
    in it: a digest of a personal number can be guessed.
    """
    if is_correlation_id(given):
        return given
    return str(uuid5(NAMESPACE_URL, f"{source}#{event_id}"))


def is_identity(text: str) -> bool:
    """A `sub` or `client_id` that may go on the record: 1 to 255 printable ASCII characters, no blank, no number."""
    return _IDENTITY.fullmatch(text) is not None and may_be_recorded(text)


def is_unit(text: str) -> bool:
    """A unit's code, at most 64 characters, in which no digits add up to a personal number."""
    return len(text) <= UNIT_MAX and _UNIT.fullmatch(text) is not None and not holds_personal_number(text)


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _is_uuid_or_ulid(text: str) -> bool:
    """Any UUID; a ULID unless its digits happen to read as a personal number (one in 100,000 after 2039)."""
    if _ULID_ONLY.fullmatch(text):
        return not holds_personal_number(text)
    return _UUID_ONLY.fullmatch(text) is not None


def fault_of(words: str, *, lines: bool = False) -> str | None:
    """What is wrong with NFC `words`, completing "<field> …"; None when nothing is. `lines`: line feeds may be in."""
    if any(character in _TURNING for character in words):
        return "must not turn the direction of writing"
    if any(unicodedata.category(character) in _UNPRINTABLE for character in words.replace("\n", "" if lines else "\n")):
        return "must not hold control characters" + ("" if lines else " or line breaks")
    if not any(unicodedata.category(mark)[0] in _MARKS and mark not in _BLANK_LETTERS for mark in words):
        return "must not look empty"
    return None if may_be_recorded(words) else _NUMBER


_NUMBER: Final = "must not hold a personal number"


@dataclass(frozen=True, slots=True)
class Words:
    """Metadata of a `str` field that people read: `Annotated[str, Field(max_length=200), Words()]`."""

    lines: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """NFC, then the field's own limits, then `fault_of`."""
        checked = core_schema.no_info_after_validator_function(self._checked, handler(source))
        return core_schema.no_info_before_validator_function(_nfc, checked)

    def _checked(self, words: str) -> str:
        if fault := fault_of(words, lines=self.lines):
            raise _refusal(fault)
        return words


def _nfc(value: object) -> object:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _refusal(message: str) -> PydanticCustomError:
    return PydanticCustomError("format", "{expected}", {"expected": message})


def _must(has_form: Callable[[str], bool], message: str) -> AfterValidator:
    def checked(text: str) -> str:
        if not has_form(text):
            raise _refusal(message)
        return text

    return AfterValidator(checked)


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value  # our own
    try:
        return parse_uuid(value if isinstance(value, str) else "")
    except ValueError as error:
        raise _refusal(str(error)) from None


Uuid = Annotated[UUID, BeforeValidator(_uuid)]
LAST: Final = UUID(int=2**128 - 1)
"""No id comes after it: with a moment, the place in a list before everything that is not later."""
"""A UUID in a body or a message, as `parse_uuid` takes it. pydantic's own reading takes braces and `urn:uuid:` too."""
RECORDED: Final = _must(may_be_recorded, _NUMBER)
"""Metadata of a code or identifier that goes on the record as it came, beside the field's own pattern and length."""
EventId = Annotated[str, Field(max_length=EVENT_ID_MAX), _must(is_event_id, EVENT_ID_FORM)]
EventSource = Annotated[
    str,
    Field(min_length=1, max_length=SOURCE_MAX, description="a CloudEvents source"),
    _must(is_source, SOURCE_FORM),
]
Identity = Annotated[
    str,
    Field(min_length=1, max_length=IDENTITY_MAX),
    _must(is_identity, "must be printable ASCII without blanks, and hold no personal number"),
]
"""A `sub` or `client_id`, as `auth` takes it from a token."""
CorrelationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), RECORDED]
EventType = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z0-9_]+){1,3}$", max_length=80), RECORDED]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$"), RECORDED]  # Kafka's own form
