"""No field of a record's data takes what does not have its form: the reader of the topic parks such a record."""

import json

import pytest
from pydantic import ValidationError

from libs.common.wire.messages import TOPICS
from libs.common.wire.values import FormatError, strict_json
from openapi.door_cells import Cell, data_of
from tests.doors.bodies import spoiled, valid


@pytest.mark.parametrize("topic", TOPICS)
def test_no_field_takes_what_does_not_have_its_form(topic: str) -> None:
    shape = data_of(topic)
    schema = shape.model_json_schema()
    definitions = schema.get("$defs", {})
    shape.model_validate_json(json.dumps(valid(schema, definitions)))
    tries = list(spoiled(Cell(f"bus {topic}", "data", "", {}), schema, definitions, set()))
    assert len(tries) > 20
    assert not [f"{field} in {value}" for field, value in tries if _taken(topic, value)]


def _taken(topic: str, value: object) -> bool:
    try:
        data_of(topic).model_validate(strict_json(json.dumps(value).encode()))
    except (ValidationError, FormatError):
        return False
    return True
