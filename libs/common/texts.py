"""Text that a caller writes: one type for words that people read, and one for whatever goes on the record as it is.

1. Words are NFC (Unicode Standard Annex #15), so that what looks alike is alike. They can be seen: no control
   character, none that turns the direction of writing (Unicode Standard Annex #9 §2), and something that leaves a mark.
2. Neither words nor codes hold a personal number (P10). A refusal names the field and never repeats the text.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from libs.common import identifiers

_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control, surrogate, private use, not assigned; line and paragraph separator.
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS: Final = frozenset("LNPS")  # first letters of the categories that leave a mark
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # Hangul fillers, the empty Braille pattern


def fault_of(words: str, *, lines: bool = False) -> str | None:
    """What is wrong with NFC `words`, completing "<field> …"; None when nothing is. `lines`: line feeds may be in."""
    if any(character in _TURNING for character in words):
        return "must not turn the direction of writing"
    if any(unicodedata.category(character) in _UNPRINTABLE for character in words.replace("\n", "" if lines else "\n")):
        return "must not hold control characters" + ("" if lines else " or line breaks")
    if not any(unicodedata.category(mark)[0] in _MARKS and mark not in _BLANK_LETTERS for mark in words):
        return "must not look empty"
    return None if identifiers.may_be_recorded(words) else _NUMBER


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


RECORDED: Final = _must(identifiers.may_be_recorded, _NUMBER)
"""Metadata of a code or identifier that goes on the record as it came, beside the field's own pattern and length."""
EventId = Annotated[
    str, Field(max_length=identifiers.EVENT_ID_MAX), _must(identifiers.is_event_id, identifiers.EVENT_ID_FORM)
]
EventSource = Annotated[
    str,
    Field(min_length=1, max_length=identifiers.SOURCE_MAX, description="a CloudEvents source"),
    _must(identifiers.is_source, identifiers.SOURCE_FORM),
]
Identity = Annotated[
    str,
    Field(min_length=1, max_length=identifiers.IDENTITY_MAX),
    _must(identifiers.is_identity, "must be printable ASCII without blanks, and hold no personal number"),
]
"""A `sub` or `client_id`, as `auth` takes it from a token."""
CorrelationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), RECORDED]
EventType = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z0-9_]+){1,3}$", max_length=80), RECORDED]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$"), RECORDED]  # Kafka's own form
