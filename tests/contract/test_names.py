"""What a document calls its operations, which is what every client made from it calls its functions."""

import re

import pytest
from pydantic.alias_generators import to_snake

from tests.contract.doors import Operation, doors, operations
from tests.contract.test_doors import named

SUMMARY_CHARS_MAX = 80
POINTS_ELSEWHERE = re.compile(r"\b(it|this|they|one's|I|my|mine|me)\b", re.IGNORECASE)


@pytest.mark.parametrize("service", sorted(doors()))
def test_no_two_operations_have_one_name_or_one_summary(service: str) -> None:
    mine = [operation.spec for operation in operations() if operation.service == service]
    assert len(mine) > 5
    for key in ("operationId", "summary"):
        assert len({spec[key] for spec in mine}) == len(mine), key


@pytest.mark.parametrize("operation", operations(), ids=named)
def test_an_operation_is_named_by_a_verb_and_its_object(operation: Operation) -> None:
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", operation.spec["operationId"])
    verb = re.match("[a-z]+", operation.spec["operationId"])
    assert verb is not None
    summary = operation.spec["summary"]
    assert summary.partition(" ")[0].lower() == verb.group(), "the summary begins with the verb of the name"
    assert " " in summary
    assert len(summary) <= SUMMARY_CHARS_MAX
    assert not summary.endswith(".")
    assert not POINTS_ELSEWHERE.search(summary), "the object is named"


@pytest.mark.parametrize("service", sorted(doors()))
def test_no_schema_is_called_as_one_of_its_fields(service: str) -> None:
    """A generated class that holds a field of its own name in lower case loses the one to the other in Python."""
    schemas = doors()[service].openapi()["components"]["schemas"]
    assert not {name for name, schema in schemas.items() if to_snake(name) in schema.get("properties", {})}
    assert not {name for name in schemas if "__" in name}
    assert all(schema.get("title", name) == name for name, schema in schemas.items())
