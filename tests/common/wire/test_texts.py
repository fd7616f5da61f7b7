"""Words that people read are visible, unturned and NFC; what goes on the record holds no personal number."""

from typing import Annotated
from uuid import uuid4

import pytest
from pydantic import BaseModel, Field, ValidationError

from libs.common.wire.identifiers import RECORDED, CorrelationId, EventId, EventSource, Identity, Words
from tests import hostile


class Said(BaseModel):
    label: Annotated[str, Field(min_length=1, max_length=200), Words()] = "x"
    paragraph: Annotated[str, Field(min_length=1, max_length=2_000), Words(lines=True)] = "x"
    code: Annotated[str, Field(max_length=80), RECORDED] = "x"
    event_id: EventId = "1"
    source: EventSource = "urn:kk:fasit"
    who: Identity = "bif101"
    correlation: CorrelationId = "c0ffee00"


@pytest.mark.parametrize("text", hostile.TEXTS, ids=ascii)
@pytest.mark.parametrize("field", ["label", "paragraph"])
def test_words_that_cannot_be_read_or_may_not_be_written_are_refused(field: str, text: str) -> None:
    if (field, text) == ("paragraph", "abcdefgh\n"):
        assert Said(paragraph=text).paragraph == text
        return
    with pytest.raises(ValidationError) as refused:
        Said.model_validate({field: text})
    assert "1234" not in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("field", ["code", "event_id", "source", "who", "correlation"])
@pytest.mark.parametrize("text", hostile.NUMBERS, ids=ascii)
def test_a_code_that_goes_on_the_record_holds_no_number(field: str, text: str) -> None:
    with pytest.raises(ValidationError):
        Said.model_validate({field: text})


@pytest.mark.parametrize("text", ["Borgmester Ærø Åkjær", "§ 11 b, stk. 2", "33 66 33 66", "blød\u00adstreg", "→ 12 %"])
def test_words_of_every_day_are_accepted(text: str) -> None:
    assert Said(label=text, paragraph=f"{text}\n\n{text}").label == text


def test_what_looks_alike_is_alike() -> None:
    assert Said(label="A\u030akjær").label == "Åkjær"
    assert Said(label="a\u030a" * 150).label == "å" * 150  # the limit counts what is kept


def test_an_id_that_happens_to_hold_digits_is_recorded() -> None:
    given = "12345678-9012-4345-8901-123456789012"
    assert Said(code=given, correlation=given, who=given, event_id=given).code == given
    assert Said(code=uuid4().hex).code
